"""XGBoost: trees that compare, and add up, in float32."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.boosting import binary_answer, coded_matrix, note_trees
from modelport.compilation.converters.registry import Classified, classifier, expit, name_of, regressor, softmax
from modelport.compilation.graph import NotConvertible, Tensor
from modelport.compilation.trees import LESS, MEMBER, Tree, tree_values

LOGISTIC = ("binary:logistic", "reg:logistic")
EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie")
IDENTITY = (
    *("reg:squarederror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror", "binary:logitraw"),
    *("rank:pairwise", "rank:ndcg", "rank:map", "reg:squaredlogerror"),
)


@classifier("XGBClassifier", "XGBRFClassifier")
def classes(estimator: Any, inputs: Columns) -> Classified:
    """The objective tells how scores become probabilities."""
    model = _Model(estimator)
    raw = model.raw(inputs)
    if model.objective in ("multi:softprob", "multi:softmax"):
        table = softmax(raw.as_float()).rounded()
        return Classified(table.argmax(), table)
    if model.objective != "binary:logistic" or model.width > 1:
        raise NotConvertible(name_of(estimator), f"its objective {model.objective} has no converter")
    return binary_answer(expit(raw.as_float().reshape(-1)).rounded())


@regressor("XGBRegressor", "XGBRFRegressor", "XGBRanker")
def values(estimator: Any, inputs: Columns) -> Tensor:
    """The sum itself, its logistic function or its exponential."""
    model = _Model(estimator)
    raw = model.raw(inputs).as_float()
    raw = raw.reshape(-1) if model.width == 1 else raw
    if model.objective in LOGISTIC:
        return expit(raw).rounded()
    if model.objective in EXPONENTIAL:
        return raw.apply("Exp").rounded()
    if model.objective in IDENTITY:
        return raw
    raise NotConvertible(name_of(estimator), f"its objective {model.objective} has no converter")


class _Model:
    """What the model's own JSON says."""

    def __init__(self, estimator: Any) -> None:
        self._name = name_of(estimator)
        booster = estimator if self._name == "Booster" else estimator.get_booster()
        self._missing = float(getattr(estimator, "missing", np.nan))
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        parameters = learner["learner_model_param"]
        self.objective = str(learner["objective"]["name"])
        self.width = max(1, int(parameters["num_class"]), int(parameters.get("num_target", 1)))
        self._base = _base_scores(parameters["base_score"], self.objective, self.width)
        inside = learner["gradient_booster"]
        if inside["name"] not in ("gbtree", "dart"):
            raise NotConvertible(self._name, f"its booster {inside['name']} has no converter")
        self._scales = np.asarray(inside.get("weight_drop", ()), dtype=np.float32)
        inside = inside.get("gbtree", inside)["model"]
        self._categories = _categories(inside)
        self._choose(inside, booster.attr("best_iteration"))

    def _choose(self, inside: Mapping[str, Any], best: str | None) -> None:
        """The trees up to the best iteration, and which output each adds to."""
        ends = inside.get("iteration_indptr") or [len(inside["trees"])]
        count = ends[int(best) + 1] if best is not None else ends[-1]
        self._trees = inside["trees"][:count]
        self._outputs = inside["tree_info"][:count]
        if any(int(t["tree_param"].get("size_leaf_vector", 1)) > 1 for t in self._trees):
            raise NotConvertible(self._name, "its leaves hold vectors")

    def raw(self, inputs: Columns) -> Tensor:
        """Records by outputs, in float32, added up tree by tree."""
        x = coded_matrix(inputs, self._categories, self._name)
        x = x.cast(np.float32).as_float()
        if self._missing == self._missing:
            x = x.equals(self._missing).where(np.nan, x)
        g = x.graph
        base = [g.repeat(np.full(1, b)).cast(np.float32) for b in self._base.tolist()]
        if not self._trees:
            return g.concat(base)
        leaves = [_leaf_values(t).reshape(-1, 1) for t in self._trees]
        if len(self._scales):
            leaves = [v * s for v, s in zip(leaves, self._scales, strict=False)]
        trees = [_read_tree(t) for t in self._trees]
        note_trees(inputs, trees)
        each = tree_values(x, trees, leaves).reshape(-1, len(self._trees))
        sums = []
        for output in range(self.width):
            own = [i for i, o in enumerate(self._outputs) if o == output]
            sums.append(g.concat([base[output], each.columns(own)]).in_order(1, len(own) + 1).tall())
        return g.concat(sums)


def _base_scores(text: str, objective: str, width: int) -> Any:
    """The intercepts as scores; the file holds them as answers."""
    given = json.loads(text) if text.startswith("[") else [float(text)]
    base = np.array([float(v) for v in given] * (width if len(given) == 1 else 1), dtype=np.float32)
    if objective in (*LOGISTIC, "binary:logitraw"):
        return -np.log(np.float32(1) / base - np.float32(1))
    return np.log(base) if objective in EXPONENTIAL else base


def _leaf_values(tree: Mapping[str, Any]) -> Any:
    return np.asarray(tree["split_conditions"], dtype=np.float32)


def _read_tree(tree: Mapping[str, Any]) -> Tree:
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    threshold = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    gaps = np.asarray(tree["default_left"], dtype=np.int64)
    modes = np.full(len(left), LESS, dtype=np.uint8)
    members: dict[int, tuple[float, ...]] = {}
    left, right, gaps = left.copy(), right.copy(), gaps.copy()
    for node, start, size in zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    ):
        members[node] = tuple(float(c) for c in tree["categories"][start : start + size])
        modes[node] = MEMBER  # listed categories go right here, left in the operator
        left[node], right[node], gaps[node] = right[node], left[node], 1 - gaps[node]
    return Tree(np.asarray(tree["split_indices"]), threshold, left, right, gaps, modes, members)


def _categories(inside: Mapping[str, Any]) -> dict[int, list[Any]]:
    encodings = (inside.get("cats") or {}).get("enc", [])
    found = {i: _decoded(encoding) for i, encoding in enumerate(encodings)}
    return {i: known for i, known in found.items() if known}


def _decoded(encoding: Mapping[str, Any]) -> list[Any]:
    listed: Sequence[Any] = encoding["values"]
    if "offsets" not in encoding:
        return list(listed)
    raw = bytes(value % 256 for value in listed)
    return [raw[a:b].decode() for a, b in pairwise(encoding["offsets"])]

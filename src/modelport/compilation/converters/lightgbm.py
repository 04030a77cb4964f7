"""LightGBM: trees in float64, of which each node says how it treats gaps and zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.boosting import coded_matrix, logistic_answer, note_trees, softmax_answer
from modelport.compilation.converters.registry import Classified, classifier, expit, name_of, regressor
from modelport.compilation.graph import Array, NotConvertible, Tensor
from modelport.compilation.trees import LEQ, MEMBER, Tree, tree_values

IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom")
EXPONENTIAL = ("poisson", "gamma", "tweedie")
ZERO = 1.0000000180025095e-35
"""No further from zero than this is zero: such cells are left out before a tree sees them."""


@classifier("LGBMClassifier")
def classes(estimator: Any, inputs: Columns) -> Classified:
    """The objective tells how scores become probabilities."""
    model = _Model(estimator)
    raw = model.raw(inputs)
    if model.objective == "binary":
        return logistic_answer(raw.reshape(-1) * model.option("sigmoid"))
    if model.objective == "multiclass":
        return softmax_answer(raw)
    if model.objective == "multiclassova":
        each = expit(raw * model.option("sigmoid"))
        return Classified(each.argmax(), each)
    raise NotConvertible(name_of(estimator), f"its objective {model.objective} has no converter")


@regressor("LGBMRegressor", "LGBMRanker")
def values(estimator: Any, inputs: Columns) -> Tensor:
    """The sum itself, its exponential, its logistic function or its square."""
    model = _Model(estimator)
    raw = model.raw(inputs)
    raw = raw.reshape(-1) if model.width == 1 else raw
    if model.objective in EXPONENTIAL:
        return raw.apply("Exp")
    if model.objective in ("cross_entropy", "binary"):
        return expit(raw * (model.option("sigmoid") if model.objective == "binary" else 1.0))
    if model.objective in IDENTITY:
        return raw.apply("Sign") * raw * raw if "sqrt" in model.options else raw
    raise NotConvertible(name_of(estimator), f"its objective {model.objective} has no converter")


class _Model:
    """What the model's own text says."""

    def __init__(self, estimator: Any) -> None:
        self._name = name_of(estimator)
        booster = estimator if self._name == "Booster" else estimator.booster_
        best = booster.best_iteration
        text = booster.model_to_string(num_iteration=best if best and best > 0 else None)
        head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
        facts = dict(line.partition("=")[::2] for line in head.splitlines())
        self.objective, *options = facts.get("objective", "custom").split()
        self.options = dict(option.partition(":")[::2] for option in options)
        self.width = int(facts["num_tree_per_iteration"])
        self._average = "average_output" in head.splitlines()
        self._trees = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
        if any(t.get("is_linear", "0") == "1" for t in self._trees):
            raise NotConvertible(self._name, "its leaves are linear models")
        infos = facts.get("feature_infos", "").split()
        self._categories = _categories(booster.pandas_categorical or [], infos, text, self._name)
        self._fields = int(facts["max_feature_idx"]) + 1

    def option(self, name: str) -> float:
        """A number that follows the objective."""
        return float(self.options.get(name, 1.0))

    def raw(self, inputs: Columns) -> Tensor:
        """Records by outputs, added up tree by tree."""
        x = coded_matrix(inputs, self._categories, self._name)
        x = (x.apply("Abs") <= ZERO).where(0.0, x)
        g = x.graph
        whole = (x.apply("Sign") * x.apply("Abs").apply("Floor")).clip(-1.0, 2.0**31)
        seen = g.concat([x.is_nan().where(0.0, x), x.equals(0.0).where(np.nan, x), x, whole])
        trees = [_read_tree(t, self._fields) for t in self._trees]
        note_trees(inputs, trees)
        each = tree_values(seen, trees, [_leaf_values(t).reshape(-1, 1) for t in self._trees])
        count = len(trees) // self.width
        total = each.reshape(-1, count, self.width).in_order(1, count)
        return total / float(count) if self._average else total


def _leaf_values(tree: Mapping[str, str]) -> Array:
    """By node: inner ones first, as `_read_tree` numbers them."""
    leaves = np.array(tree["leaf_value"].split(), dtype=np.float64)
    return np.concatenate([np.zeros(len(leaves) - 1), leaves])


def _read_tree(tree: Mapping[str, str], fields: int) -> Tree:
    """Leaves are numbered after the inner nodes. What a node takes for a gap chooses which copy of a column it sees."""
    inner = int(tree["num_leaves"]) - 1
    if inner == 0:
        lone = np.full(1, -1)
        return Tree(np.zeros(1), np.zeros(1), lone, lone, np.zeros(1), np.zeros(1, dtype=np.uint8), {})
    listed = {
        k: np.array(tree[k].split(), dtype=np.int64)
        for k in ("split_feature", "decision_type", "left_child", "right_child")
    }
    kinds = listed["decision_type"]
    categorical = (kinds & 1) == 1
    copy = np.where(categorical, 3, (kinds >> 2) & 3)
    threshold = np.array(tree["threshold"].split(), dtype=np.float64)
    members = {int(i): _members(tree, int(threshold[i])) for i in np.flatnonzero(categorical)}
    leaf = np.full(inner + 1, -1)

    def numbered(child: Array) -> Array:
        return np.concatenate([np.where(child < 0, inner + ~child, child), leaf])

    pad = np.zeros(inner + 1, dtype=np.int64)
    return Tree(
        np.concatenate([listed["split_feature"] + copy * fields, pad]),
        np.concatenate([threshold, pad]),
        numbered(listed["left_child"]),
        numbered(listed["right_child"]),
        np.concatenate([np.where(categorical, 0, (kinds & 2) >> 1), pad]),
        np.concatenate([np.where(categorical, MEMBER, LEQ), pad]).astype(np.uint8),
        members,
    )


def _members(tree: Mapping[str, str], which: int) -> tuple[float, ...]:
    bounds = np.array(tree["cat_boundaries"].split(), dtype=np.int64)
    words = np.array(tree["cat_threshold"].split(), dtype=np.int64)[bounds[which] : bounds[which + 1]]
    return tuple(float(32 * w + b) for w, word in enumerate(words.tolist()) for b in range(32) if word >> b & 1)


def _categories(stored: Any, infos: list[str], text: str, name: str) -> dict[int, list[Any]]:
    """By column the categories of the training frame; the file lists columns and categories, but not together."""
    if not stored:
        return {}
    listed = text.partition("\n[categorical_feature: ")[2].partition("]")[0]
    by_info = [i for i, info in enumerate(infos) if info != "none" and not info.startswith("[")]
    for columns in ([int(i) for i in listed.split(",") if i], by_info):
        if len(columns) == len(stored):
            return dict(zip(columns, stored, strict=True))
    raise NotConvertible(name, "does not say which of its inputs its categories belong to")

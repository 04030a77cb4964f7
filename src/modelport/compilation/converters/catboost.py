"""CatBoost: symmetric trees over numbers, each a list of borders and a table of leaves."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.boosting import binary_answer
from modelport.compilation.converters.registry import Classified, classifier, expit, name_of, regressor, softmax
from modelport.compilation.graph import Array, NotConvertible, Tensor

EXPONENTIAL = ("Poisson", "Tweedie")


@classifier("CatBoostClassifier", "CatBoost")
def classes(estimator: Any, inputs: Columns) -> Classified:
    """A logistic function, or a softmax."""
    loss = _loss(estimator)
    raw = _raw(estimator, inputs)
    if loss in ("Logloss", "CrossEntropy"):
        threshold = dict(estimator.get_metadata()).get("binclass_probability_threshold", 0.5)
        return binary_answer(expit(raw.reshape(-1)), float(threshold))
    if loss == "MultiClass":
        table = softmax(raw)
        return Classified(table.argmax(), table)
    if loss == "MultiClassOneVsAll":
        table = expit(raw)
        return Classified(table.argmax(), table)
    raise NotConvertible(name_of(estimator), f"its loss {loss} has no converter")


@regressor("CatBoostRegressor", "CatBoost", "CatBoostRanker")
def values(estimator: Any, inputs: Columns) -> Tensor:
    """The sum, or its exponential."""
    loss = _loss(estimator)
    if loss == "RMSEWithUncertainty":
        raise NotConvertible(name_of(estimator), f"its loss {loss} has no converter")
    raw = _raw(estimator, inputs)
    return raw.apply("Exp") if loss in EXPONENTIAL else raw


def _loss(estimator: Any) -> str:
    training = json.loads(dict(estimator.get_metadata()).get("params", "{}"))
    return str(training.get("loss_function", {}).get("type", ""))


def _read(estimator: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        return json.loads(path.read_text(encoding="utf-8"))


def _raw(estimator: Any, inputs: Columns) -> Tensor:
    """The scaled sum of leaves. A record's place in a tree's table is a binary number: which borders it is above."""
    name = name_of(estimator)
    for kind, operators, indices in (
        ("categories", "OneHotFeature, OnlineCtr", estimator.get_cat_feature_indices()),
        ("text", "its own tokenizer and dictionary", estimator.get_text_feature_indices()),
        ("embeddings", "its own calcers", estimator.get_embedding_feature_indices()),
    ):
        if indices:
            raise NotConvertible(name, f"reads {kind} ({operators}), of which it keeps hashes alone")
    model = _read(estimator)
    trees = model.get("oblivious_trees")
    if trees is None:
        raise NotConvertible(name, "its trees are not symmetric")
    raw = inputs.numbers(name).rounded()
    x = _without_gaps(raw, model["features_info"]["float_features"], inputs.width)
    scale, bias = model["scale_and_bias"]
    width = len(bias)
    depth = max((len(t["splits"] or ()) for t in trees), default=0)
    if depth == 0:
        total = x.graph.repeat(np.array([sum(t["leaf_values"][k] for t in trees) for k in range(width)]))
    else:
        total = _looked_up(x, raw, trees, model["features_info"]["float_features"], depth, width)
    scores = total * float(scale) + np.asarray(bias, dtype=np.float64)
    return scores.reshape(-1) if width == 1 else scores


def _looked_up(x: Tensor, raw: Tensor, trees: Any, features: Any, depth: int, width: int) -> Tensor:
    place = {f["feature_index"]: f["flat_feature_index"] for f in features}
    columns = np.zeros((len(trees), depth), dtype=np.int64)
    borders = np.full((len(trees), depth), np.inf)
    tables: list[Array] = []
    starts: list[int] = []
    for i, tree in enumerate(trees):
        for k, split in enumerate(tree["splits"] or ()):
            if split["split_type"] != "FloatFeature":
                raise NotConvertible("CatBoost", f"its split of type {split['split_type']} has no converter")
            columns[i, k] = place[split["float_feature_index"]]
            borders[i, k] = np.float32(split["border"])
        starts.append(sum(len(t) for t in tables))
        tables.append(np.asarray(tree["leaf_values"], dtype=np.float64).reshape(-1, width))
    raw.graph.note_splits(raw, columns[np.isfinite(borders)], borders[np.isfinite(borders)])
    above = (x.columns(columns.ravel()) > borders.ravel()).as_float().reshape(-1, len(trees), depth)
    leaf = (above * 2.0 ** np.arange(depth)).total(2).cast(np.int64) + np.asarray(starts, dtype=np.int64)
    return x.graph.constant(np.concatenate(tables)).gather(leaf).in_order(1, len(trees))


def _without_gaps(x: Tensor, features: Any, width: int) -> Tensor:
    """NaN is below every border or above every one, as the model says."""
    high = np.zeros(width)
    for f in features:
        high[f["flat_feature_index"]] = 1.0 if f["nan_value_treatment"] == "AsTrue" else 0.0
    return x.is_nan().where(np.where(high > 0, np.inf, -np.inf), x)

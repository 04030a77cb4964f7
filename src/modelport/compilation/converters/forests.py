"""scikit-learn's own trees, and the ensembles that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, join
from modelport.compilation.converters.boosting import note_trees
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    classifier,
    expit,
    name_of,
    regressor,
    softmax,
    transform,
    transformer,
    two_sides,
)
from modelport.compilation.graph import Array, NotConvertible, Tensor
from modelport.compilation.trees import MEMBER, Tree, leaf_numbers, plain_tree, tree_values

TREES = ("DecisionTreeClassifier", "ExtraTreeClassifier", "DecisionTreeRegressor", "ExtraTreeRegressor")


def read_tree(estimator: Any, features: Sequence[int] | None = None) -> Tree:
    """The nodes of a fitted tree. `features` are the columns that its own inputs are taken from."""
    t = estimator.tree_
    chosen = np.asarray(t.feature) if features is None else np.asarray(features)[np.maximum(t.feature, 0)]
    gaps = np.asarray(getattr(t, "missing_go_to_left", np.zeros(t.node_count)), dtype=np.int64)
    return plain_tree(chosen, t.threshold, t.children_left, t.children_right, gaps)


def tables_of(estimators: Sequence[Any], x: Tensor, features: Sequence[Sequence[int]] | None = None) -> Tensor:
    """What trees of one output answer: records by trees by values. They see their inputs in float32."""
    chosen = features if features is not None else [None] * len(estimators)
    trees = [read_tree(e, f) for e, f in zip(estimators, chosen, strict=True)]
    return tree_values(x.graph.for_trees(x), trees, [e.tree_.value[:, 0, :] for e in estimators])


def _proportions(estimator: Any, output: int) -> Array:
    """By node, the probabilities of one output's classes; before scikit-learn 1.3 these were counts."""
    several = estimator.tree_.n_outputs > 1
    count = estimator.n_classes_[output] if several else estimator.n_classes_
    table = np.asarray(estimator.tree_.value[:, output, :count])
    sums = table.sum(axis=1, keepdims=True)
    return table if np.allclose(sums, 1.0) else table / np.where(sums == 0, 1.0, sums)


# -- single trees and forests --------------------------------------------------------------------------------------


@classifier("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")
def averaged_classes(estimator: Any, inputs: Columns) -> Classes:
    """The mean of the trees' probabilities, added up in the trees' order, and the first of the greatest."""
    members = [estimator] if name_of(estimator) in TREES else estimator.estimators_
    x = inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator)))
    leaves = leaf_numbers(x, [read_tree(m) for m in members])
    outputs = []
    for output in range(estimator.n_outputs_):
        table = np.concatenate([_proportions(m, output)[read_tree(m).leaves] for m in members])
        each = x.graph.constant(table).gather(leaves)
        mean = each.in_order(1, len(members)) / float(len(members))
        outputs.append(Classified(mean.argmax(), mean))
    return outputs if estimator.n_outputs_ > 1 else outputs[0]


@regressor("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor")
def averaged_values(estimator: Any, inputs: Columns) -> Tensor:
    """The mean of the trees."""
    members = [estimator] if name_of(estimator) in TREES else estimator.estimators_
    x = inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator)))
    values = [m.tree_.value[:, :, 0] for m in members]
    mean = tree_values(x, [read_tree(m) for m in members], values).in_order(1, len(members)) / float(len(members))
    return mean.reshape(-1) if estimator.n_outputs_ == 1 else mean


@transformer("RandomTreesEmbedding")
def embedded(estimator: Any, inputs: Columns) -> Columns:
    """Which leaf of each tree, one-hot."""
    x = inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator)))
    trees = [read_tree(m) for m in estimator.estimators_]
    leaves = leaf_numbers(x, trees)
    starts = np.cumsum([0, *(len(t.leaves) for t in trees)])
    parts = []
    for i, (tree, known) in enumerate(zip(trees, estimator.one_hot_encoder_.categories_, strict=True)):
        numbers = starts[i] + np.searchsorted(tree.leaves, np.asarray(known))
        parts.append(leaves.columns([i]).equals(numbers.reshape(1, -1)).as_float())
    return inputs.now(x.graph.concat(parts), sum(len(c) for c in estimator.one_hot_encoder_.categories_))


@regressor("IsolationForest")
def isolated(estimator: Any, inputs: Columns) -> Tensor:
    """-1 where the paths are short: the score is 2 to the power of minus their mean length over the expected one."""
    from sklearn.ensemble._iforest import _average_path_length

    x = inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator)))
    members = estimator.estimators_
    subsets = estimator.estimators_features_
    lengths = [
        (np.asarray(m.tree_.compute_node_depths()) + _average_path_length(m.tree_.n_node_samples) - 1.0).reshape(-1, 1)
        for m in members
    ]
    trees = [read_tree(m, f) for m, f in zip(members, subsets, strict=True)]
    depth = tree_values(x, trees, lengths).in_order(1, len(members)).reshape(-1)
    expected = len(members) * float(_average_path_length(np.array([estimator._max_samples]))[0])
    score = -(x.graph.op("Pow", np.array(2.0), -(depth / expected) if expected else depth * 0.0 - 1.0))
    return (score - float(estimator.offset_) < 0.0).where(np.array(-1), np.array(1))


# -- gradient boosting ---------------------------------------------------------------------------------------------


@classifier("GradientBoostingClassifier")
def boosted_classes(estimator: Any, inputs: Columns) -> Classified:
    """A logistic function or a softmax of the sum."""
    return _linked_classes(estimator, _raw_sum(estimator, inputs))


@regressor("GradientBoostingRegressor")
def boosted_values(estimator: Any, inputs: Columns) -> Tensor:
    """The sum itself."""
    return _raw_sum(estimator, inputs).reshape(-1)


def _raw_sum(estimator: Any, inputs: Columns) -> Tensor:
    """Beginning with the initial model, each stage adds its tree's value times the learning rate."""
    x = inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator)))
    stages, width = estimator.estimators_.shape
    members = list(estimator.estimators_.ravel())
    values = [m.tree_.value[:, :, 0] * estimator.learning_rate for m in members]
    each = tree_values(x, [read_tree(m) for m in members], values).reshape(-1, stages, width)
    first = x.graph.repeat(_initial(estimator, width)).reshape(-1, 1, width)
    return x.graph.concat([first, each]).in_order(1, stages + 1)


def _initial(estimator: Any, width: int) -> Array:
    if isinstance(estimator.init_, str):
        return np.zeros(width)
    if not name_of(estimator.init_).startswith("Dummy"):
        raise NotConvertible(name_of(estimator), "begins with a model of its own")
    count = getattr(estimator, "n_features_in_", None) or estimator.n_features_  # releases before 0.24 call it so
    raw = estimator._raw_predict_init(np.zeros((1, count), dtype=np.float32))
    return np.asarray(raw, dtype=np.float64).reshape(width)


def _linked_classes(estimator: Any, raw: Tensor) -> Classified:
    if len(estimator.classes_) == 2:
        decision = raw.reshape(-1)
        loss = getattr(estimator, "loss", "log_loss")
        positive = expit(decision * 2.0 if loss == "exponential" else decision)
        return Classified((decision >= 0.0).cast(np.int64), two_sides(positive), decision)
    return Classified(raw.argmax(), softmax(raw), raw)


# -- histogram gradient boosting -----------------------------------------------------------------------------------


@classifier("HistGradientBoostingClassifier")
def histogram_classes(estimator: Any, inputs: Columns) -> Classified:
    """As above; the label of two classes is that of the greater probability."""
    found = _linked_classes(estimator, _histogram_sum(estimator, inputs))
    assert found.probabilities is not None
    return Classified(found.probabilities.argmax(), found.probabilities, found.decision)


@regressor("HistGradientBoostingRegressor")
def histogram_values(estimator: Any, inputs: Columns) -> Tensor:
    """The inverse of the loss's link."""
    raw = _histogram_sum(estimator, inputs).reshape(-1)
    link = type(estimator._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotConvertible(name_of(estimator), f"its {link} has no converter")
    return raw.apply("Exp") if link == "LogLink" else raw


def _histogram_sum(estimator: Any, inputs: Columns) -> Tensor:
    seen = _preprocessed(estimator, inputs)
    x = seen.numbers(name_of(estimator))
    predictors = [p for iteration in estimator._predictors for p in iteration]
    width = estimator.n_trees_per_iteration_
    values = [p.nodes["value"].reshape(-1, 1) for p in predictors]
    trees = [_histogram_tree(p) for p in predictors]
    note_trees(inputs, trees, _order(estimator, inputs))
    each = tree_values(x, trees, values).reshape(-1, len(predictors) // width, width)
    first = x.graph.repeat(np.asarray(estimator._baseline_prediction).reshape(-1)).reshape(-1, 1, width)
    return x.graph.concat([first, each]).in_order(1, len(predictors) // width + 1)


def _preprocessed(estimator: Any, inputs: Columns) -> Columns:
    """Categories become numbers, and their columns move to the front."""
    if estimator._preprocessor is None:
        if estimator.is_categorical_ is not None and any(estimator.is_categorical_):
            raise NotConvertible(name_of(estimator), "holds categories without their encoder")
        return inputs
    parts = [
        transform(step, inputs.select(_positions(chosen, inputs)))
        for _, step, chosen in estimator._preprocessor.transformers_
        if len(_positions(chosen, inputs))
    ]
    return join(parts)


def _order(estimator: Any, inputs: Columns) -> list[int]:
    """Which input each column is that the trees see."""
    if estimator._preprocessor is None:
        return list(range(inputs.width))
    return [i for _, _, chosen in estimator._preprocessor.transformers_ for i in _positions(chosen, inputs)]


def _positions(chosen: Any, inputs: Columns) -> list[int]:
    mask = np.asarray(chosen)
    return [int(i) for i in (np.flatnonzero(mask) if mask.dtype == bool else mask)]


def _histogram_tree(predictor: Any) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    sets = {
        int(i): _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][i]])
        for i in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
    }
    modes = np.array([MEMBER if i in sets else 0 for i in range(len(nodes))], dtype=np.uint8)
    threshold = np.where(leaf, 0.0, nodes["num_threshold"])
    return Tree(
        nodes["feature_idx"], threshold, left, nodes["right"].astype(np.int64), nodes["missing_go_to_left"], modes, sets
    )


def _members(bits: Array) -> tuple[float, ...]:
    return tuple(float(i) for i in range(256) if bits[i // 32] >> np.uint32(i % 32) & 1)

"""Pipelines, unions, searches, selections and other wrappers: what they hold is converted in their place."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, join
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    classifier,
    classify,
    classify_one,
    name_of,
    predict,
    regressor,
    transform,
    transformer,
)
from modelport.compilation.graph import NotConvertible, Tensor

INSIDE = ("best_estimator_", "estimator_", "estimator")
"""What holds the fitted model of a search, a selection or a freezing."""


def inside(wrapper: Any) -> Any:
    """The fitted model in a wrapper."""
    return next(model for name in INSIDE if (model := vars(wrapper).get(name)) is not None)


# -- pipelines -----------------------------------------------------------------------------------------------------


def _before_last(pipeline: Any, inputs: Columns) -> Columns:
    for _, step in pipeline.steps[:-1]:
        inputs = transform(step, inputs)
    return inputs


@classifier("Pipeline")
def pipeline_classes(estimator: Any, inputs: Columns) -> Classes:
    """Its last step, on what the others made."""
    return classify(estimator.steps[-1][1], _before_last(estimator, inputs))


@regressor("Pipeline")
def pipeline_values(estimator: Any, inputs: Columns) -> Tensor:
    """Likewise."""
    return predict(estimator.steps[-1][1], _before_last(estimator, inputs))


@transformer("Pipeline")
def pipeline_columns(estimator: Any, inputs: Columns) -> Columns:
    """Likewise."""
    return transform(estimator.steps[-1][1], _before_last(estimator, inputs))


@transformer("FeatureUnion")
def union(estimator: Any, inputs: Columns) -> Columns:
    """Side by side, each times its weight."""
    weights = estimator.transformer_weights or {}
    parts = []
    for name, step in estimator.transformer_list:
        if step == "drop":
            continue
        part = transform(step, inputs)
        parts.append(part.kept(part.tensor * float(weights[name])) if name in weights else part)
    return join(parts)


@transformer("ColumnTransformer")
def by_column(estimator: Any, inputs: Columns) -> Columns:
    """Each transformer on its columns, in the order of the transformers."""
    weights = estimator.transformer_weights or {}
    parts = []
    for name, step, selection in estimator.transformers_:
        chosen = _resolve(selection, inputs)
        if step == "drop" or not chosen:
            continue
        part = transform(step, inputs.select(chosen))
        parts.append(part.kept(part.tensor * float(weights[name])) if name in weights else part)
    return join(parts)


def _resolve(selection: Any, inputs: Columns) -> list[int]:
    if callable(selection):
        raise NotConvertible("ColumnTransformer", "chooses columns by a function")
    names = list(inputs.names or ())
    if isinstance(selection, slice):
        start = names.index(selection.start) if isinstance(selection.start, str) else selection.start
        stop = names.index(selection.stop) + 1 if isinstance(selection.stop, str) else selection.stop
        return list(range(inputs.width))[slice(start, stop, selection.step)]
    chosen = [selection] if isinstance(selection, (str, int)) else list(selection)
    if chosen and all(isinstance(c, (bool, np.bool_)) for c in chosen):
        return [int(i) for i in np.flatnonzero(chosen)]
    return [names.index(c) if isinstance(c, str) else int(c) % inputs.width for c in chosen]


# -- wrappers ------------------------------------------------------------------------------------------------------


@classifier("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "FrozenEstimator")
def wrapped_classes(estimator: Any, inputs: Columns) -> Classes:
    """The model inside."""
    return classify(inside(estimator), inputs)


@regressor("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "FrozenEstimator")
@regressor("RANSACRegressor")
def wrapped_values(estimator: Any, inputs: Columns) -> Tensor:
    """The model inside."""
    return predict(inside(estimator), inputs)


@transformer("GridSearchCV", "RandomizedSearchCV", "FrozenEstimator")
def wrapped_columns(estimator: Any, inputs: Columns) -> Columns:
    """The transformer inside."""
    return transform(inside(estimator), inputs)


@classifier("RFE", "RFECV")
def chosen_classes(estimator: Any, inputs: Columns) -> Classes:
    """The model inside, on the columns that were kept."""
    return classify(estimator.estimator_, inputs.select(np.flatnonzero(estimator.support_).tolist()))


@regressor("RFE", "RFECV")
def chosen_values(estimator: Any, inputs: Columns) -> Tensor:
    """Likewise."""
    return predict(estimator.estimator_, inputs.select(np.flatnonzero(estimator.support_).tolist()))


@transformer(
    *("RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFwe", "SelectKBest", "SelectPercentile"),
    *("GenericUnivariateSelect", "SelectFromModel", "SequentialFeatureSelector", "VarianceThreshold"),
)
def chosen_columns(estimator: Any, inputs: Columns) -> Columns:
    """The columns that were kept."""
    return inputs.select(np.flatnonzero(estimator.get_support()).tolist())


@regressor("TransformedTargetRegressor")
def back_transformed(estimator: Any, inputs: Columns) -> Tensor:
    """The inverse of a scaling, or of one of a few functions."""
    raw = predict(estimator.regressor_, inputs)
    step = estimator.transformer_
    name = name_of(step)
    if name == "StandardScaler":
        raw = raw * np.asarray(step.scale_ if step.with_std else 1.0) + np.asarray(
            step.mean_ if step.with_mean else 0.0
        )
    elif name == "MinMaxScaler":
        raw = (raw - np.asarray(step.min_)) / np.asarray(step.scale_)
    elif name == "FunctionTransformer" and step.inverse_func in (None, np.exp, np.square, np.sqrt):
        function = step.inverse_func
        raw = (
            raw
            if function is None
            else raw * raw
            if function is np.square
            else raw.apply("Exp" if function is np.exp else "Sqrt")
        )
    else:
        raise NotConvertible(name_of(estimator), f"the inverse of its {name} has no converter")
    return raw.reshape(-1) if estimator._training_dim == 1 else raw


@classifier("FixedThresholdClassifier", "TunedThresholdClassifierCV")
def moved_threshold(estimator: Any, inputs: Columns) -> Classified:
    """Two classes, told apart at a threshold of its own."""
    found = classify_one(estimator.estimator_, inputs)
    classes = estimator.classes_.tolist()
    positive = getattr(estimator, "_curve_scorer", estimator)
    label = positive._get_pos_label() if hasattr(positive, "_get_pos_label") else estimator.pos_label
    side = classes.index(label) if label is not None else 1
    method = estimator.response_method
    by_probability = method == "predict_proba" or (method == "auto" and found.probabilities is not None)
    if by_probability and found.probabilities is not None:
        score, usual = found.probabilities.column(side), 0.5
    elif found.decision is not None:
        score, usual = (found.decision if side == 1 else -found.decision), 0.0
    else:
        raise NotConvertible(name_of(estimator), "its model has no score")
    threshold = getattr(estimator, "best_threshold_", None)
    if threshold is None:
        threshold = usual if estimator.threshold == "auto" else estimator.threshold
    above = (score >= float(threshold)).where(np.array(side), np.array(1 - side))
    return Classified(above, found.probabilities, found.decision)

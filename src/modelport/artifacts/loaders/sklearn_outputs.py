"""What a fitted scikit-learn estimator answers, decided once from the estimator and one probing prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelport.artifacts.loaders.sklearn_parts import has_method, last_step, stored
from modelport.artifacts.loaders.tabular import (
    Array,
    Outputs,
    both_sides,
    class_answers,
    kind_of,
    label_answers,
    output_names,
    plain_values,
    value_answers,
)
from modelport.kernel.signature import Kind, Output, Task

Answer = Callable[[Any], list[Any]]

PREDICT_IS_ARGMAX = ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")
"""Classifiers whose `predict` is defined as the class of the greatest probability: one pass over the trees, not two."""


def read_outputs(estimator: Any, probe: Array | None, names: Sequence[Any] = ()) -> Outputs:
    """The task, its outputs, and the function from converted inputs to answers. `probe` is what one prediction gave.

    `names` are those of the classes 0, 1, … of a model that was trained on numbers.
    """
    classes = _classes(estimator, probe)
    if classes is None:
        columns = probe.shape[1] if probe is not None and probe.ndim == 2 else 1
        task, outputs, _ = plain_values(columns, Kind.FLOAT if probe is None else kind_of(probe), _task(estimator))
        return task, outputs, _labels_only(estimator)
    if isinstance(classes, list):
        return _several_classes(estimator, classes)
    if len(names) == len(classes) and classes.dtype.kind in "iuf" and np.array_equal(classes, np.arange(len(classes))):
        return _named_class_output(estimator, np.array([*names, None], dtype=object)[:-1])
    return _one_class_output(estimator, classes)


def plain_array(values: Any) -> Array:
    """What `predict` gave as an array: some models give sparse matrices, frames or lists."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def _classes(estimator: Any, probe: Array | None) -> Array | list[Array] | None:
    """One array of classes, one for each of several outputs, or None where there are none.

    Multi-label models store the numbers of their labels as `classes_`; each of the labels is 0 or 1.
    """
    classes = stored(estimator, "classes_")
    if classes is None or len(classes) == 0:  # CatBoost's regressors have an empty list
        return None
    if isinstance(classes, list) and all(isinstance(c, (list, np.ndarray)) for c in classes):
        return [np.asarray(c) for c in classes]
    columns = probe.shape[1] if probe is not None and probe.ndim == 2 else 1
    if columns > 1 or stored(last_step(estimator), "multilabel_"):
        return [np.array([0, 1])] * max(columns, len(classes))
    return np.asarray(classes)


# -- one output ----------------------------------------------------------------------------------------------------


def _one_class_output(estimator: Any, classes: Array) -> Outputs:
    keys = classes.tolist()
    probabilities = has_method(estimator, "predict_proba")
    output = Output("prediction", kind_of(classes), tuple(keys), probabilities)
    if not probabilities:
        return Task.CLASSIFY, (output,), _labels_only(estimator)
    argmax = type(last_step(estimator)).__name__ in PREDICT_IS_ARGMAX
    return Task.CLASSIFY, (output,), (_argmax_answer if argmax else _two_pass_answer)(estimator, classes)


def _named_class_output(estimator: Any, names: Array) -> Outputs:
    """The answer to a model's 0, 1, … is the name that an encoder of the label gave them."""
    keys = names.tolist()
    probabilities = has_method(estimator, "predict_proba")
    output = Output("prediction", kind_of(np.array(keys)), tuple(keys), probabilities)

    def labels(inputs: Any) -> list[Any]:
        found: list[Any] = names.take(plain_array(estimator.predict(inputs)).ravel().astype(np.intp)).tolist()
        return found

    def answer(inputs: Any) -> list[Any]:
        if not probabilities:
            return [{"prediction": label} for label in labels(inputs)]
        return class_answers(labels(inputs), keys, plain_array(estimator.predict_proba(inputs)).tolist())

    if probabilities and type(last_step(estimator)).__name__ in PREDICT_IS_ARGMAX:
        return Task.CLASSIFY, (output,), _argmax_answer(estimator, names)
    return Task.CLASSIFY, (output,), answer


def _argmax_answer(estimator: Any, classes: Array) -> Answer:
    keys = classes.tolist()

    def answer(inputs: Any) -> list[Any]:
        probabilities = estimator.predict_proba(inputs)
        return class_answers(classes.take(probabilities.argmax(axis=1)).tolist(), keys, probabilities.tolist())

    return answer


def _two_pass_answer(estimator: Any, classes: Array) -> Answer:
    keys = classes.tolist()

    def answer(inputs: Any) -> list[Any]:
        labels = plain_array(estimator.predict(inputs)).ravel()
        return class_answers(labels.tolist(), keys, plain_array(estimator.predict_proba(inputs)).tolist())

    return answer


def _labels_only(estimator: Any) -> Answer:
    return lambda inputs: value_answers(plain_array(estimator.predict(inputs)))


# -- several outputs -----------------------------------------------------------------------------------------------


def _several_classes(estimator: Any, classes: Sequence[Array]) -> Outputs:
    """Multi-output (a list of class arrays) and multi-label (an indicator column per label) classifiers."""
    keys = [c.tolist() for c in classes]
    probabilities = has_method(estimator, "predict_proba")
    outputs = tuple(
        Output(name, kind_of(c), tuple(c.tolist()), probabilities)
        for name, c in zip(output_names(len(classes)), classes, strict=True)
    )
    if not probabilities:
        return Task.CLASSIFY, outputs, _labels_only(estimator)

    def answer(inputs: Any) -> list[Any]:
        tables = _probability_tables(estimator.predict_proba(inputs))
        return label_answers(tables, keys, plain_array(estimator.predict(inputs)))

    return Task.CLASSIFY, outputs, answer


def _probability_tables(probabilities: Any) -> list[Array]:
    """One table per output. Multi-label classifiers give the positive column of each label in one array."""
    if isinstance(probabilities, list):
        return [plain_array(table) for table in probabilities]
    return [both_sides(column) for column in plain_array(probabilities).T]


# -- no classes ----------------------------------------------------------------------------------------------------


_TASKS = {"regressor": Task.REGRESS, "clusterer": Task.CLUSTER, "outlier_detector": Task.OUTLIERS}
"""By what estimators of releases before 1.8 say themselves."""


def _task(estimator: Any) -> Task:
    told = stored(estimator, "_estimator_type")
    if told in _TASKS:
        return _TASKS[told]
    from sklearn.base import is_clusterer, is_outlier_detector, is_regressor

    for test, task in (
        (is_outlier_detector, Task.OUTLIERS),
        (is_clusterer, Task.CLUSTER),
        (is_regressor, Task.REGRESS),
    ):
        try:
            if test(estimator):
                return task
        except Exception:  # tags of foreign estimators raise anything
            continue
    return Task.CLUSTER if has_method(estimator, "predict_proba") else Task.REGRESS  # mixtures say which part

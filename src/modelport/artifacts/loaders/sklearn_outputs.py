"""What a fitted scikit-learn estimator answers, decided once from the estimator and one probing prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import class_answers, kind_of, value_answers
from modelport.kernel.signature import Kind, Output, Task

Answer = Callable[[Any], list[Any]]

PREDICT_IS_ARGMAX = ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")
"""Classifiers whose `predict` is defined as the class of the greatest probability: one pass over the trees, not two."""


def read_outputs(estimator: Any, probe: np.ndarray[Any, Any] | None) -> tuple[Task, tuple[Output, ...], Answer]:
    """The task, its outputs, and the function from converted inputs to answers."""
    classes = _classes(estimator)
    if classes is None:
        return _plain_outputs(estimator, probe)
    columns = probe.shape[1] if probe is not None and probe.ndim == 2 else 0
    if isinstance(classes, list) or columns > 1:
        return _several_classes(estimator, classes, columns)
    keys = classes.tolist()
    if not _has_probabilities(estimator):
        return Task.CLASSIFY, (Output("prediction", kind_of(classes), tuple(keys)),), _labels_only(estimator)
    output = Output("prediction", kind_of(classes), tuple(keys), probabilities=True)
    answer = _argmax_answer if _final(estimator).__name__ in PREDICT_IS_ARGMAX else _two_pass_answer
    return Task.CLASSIFY, (output,), answer(estimator, classes)


def _classes(estimator: Any) -> Any:
    try:
        classes = getattr(estimator, "classes_", None)
    except Exception:  # a Pipeline's property asks its last step
        return None
    return classes if classes is None or isinstance(classes, list) else np.asarray(classes)


def _has_probabilities(estimator: Any) -> bool:
    try:
        return callable(getattr(estimator, "predict_proba", None))
    except Exception:  # available_if raises what the estimator's check raises
        return False


def _final(estimator: Any) -> type:
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1]) if steps else type(estimator)


def _argmax_answer(estimator: Any, classes: np.ndarray[Any, Any]) -> Answer:
    keys = classes.tolist()

    def answer(inputs: Any) -> list[Any]:
        probabilities = estimator.predict_proba(inputs)
        return class_answers(classes.take(probabilities.argmax(axis=1)).tolist(), keys, probabilities.tolist())

    return answer


def _two_pass_answer(estimator: Any, classes: np.ndarray[Any, Any]) -> Answer:
    keys = classes.tolist()

    def answer(inputs: Any) -> list[Any]:
        labels = np.asarray(estimator.predict(inputs)).ravel()
        return class_answers(labels.tolist(), keys, estimator.predict_proba(inputs).tolist())

    return answer


def _labels_only(estimator: Any) -> Answer:
    return lambda inputs: value_answers(np.asarray(estimator.predict(inputs)))


# -- several outputs -----------------------------------------------------------------------------------------------


def _several_classes(estimator: Any, classes: Any, columns: int) -> tuple[Task, tuple[Output, ...], Answer]:
    """Multi-output (a list of class arrays) and multi-label (an indicator column per label) classifiers."""
    per_output = classes if isinstance(classes, list) else [np.array([0, 1])] * columns
    names = [f"y{i}" for i in range(len(per_output))]
    with_probabilities = _has_probabilities(estimator)
    outputs = tuple(
        Output(name, kind_of(c), tuple(np.asarray(c).tolist()), with_probabilities)
        for name, c in zip(names, per_output, strict=True)
    )
    if not with_probabilities:
        return Task.CLASSIFY, outputs, _labels_only(estimator)
    keys = [[str(k) for k in np.asarray(c).tolist()] for c in per_output]
    return Task.CLASSIFY, outputs, _several_answer(estimator, names, keys)


def _several_answer(estimator: Any, names: Sequence[str], keys: Sequence[Sequence[str]]) -> Answer:
    def answer(inputs: Any) -> list[Any]:
        answers = value_answers(np.asarray(estimator.predict(inputs)))
        tables = _probability_tables(estimator.predict_proba(inputs))
        for i, row in enumerate(answers):
            row["probabilities"] = {
                name: dict(zip(k, table[i].tolist(), strict=True))
                for name, k, table in zip(names, keys, tables, strict=True)
            }
        return answers

    return answer


def _probability_tables(probabilities: Any) -> list[np.ndarray[Any, Any]]:
    """One table per output. Multi-label classifiers give the positive column of each label in one array."""
    if isinstance(probabilities, list):
        return probabilities
    return [np.column_stack((1 - column, column)) for column in np.asarray(probabilities).T]


def _plain_outputs(estimator: Any, probe: np.ndarray[Any, Any] | None) -> tuple[Task, tuple[Output, ...], Answer]:
    kind = Kind.FLOAT if probe is None else kind_of(probe)
    columns = probe.shape[1] if probe is not None and probe.ndim == 2 else 1
    names = ["prediction"] if columns == 1 else [f"y{i}" for i in range(columns)]
    return _task(estimator), tuple(Output(name, kind) for name in names), _labels_only(estimator)


def _task(estimator: Any) -> Task:
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
    return Task.REGRESS

"""The table of what can be converted, filled by the modules beside this one, and the way into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.graph import Array, NotConvertible, Tensor

LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")


@dataclass(frozen=True, slots=True)
class Classified:
    """What a classifier makes: positions among its classes, and where it has them a table of probabilities, and its
    decision function (a vector for two classes, or a column per class)."""

    labels: Tensor
    probabilities: Tensor | None = None
    decision: Tensor | None = None


Classes = Classified | list[Classified]
"""One output, or several."""

CLASSIFIERS: dict[str, Callable[[Any, Columns], Classes]] = {}
REGRESSORS: dict[str, Callable[[Any, Columns], Tensor]] = {}
"""Also what labels clusters and outliers: the answer is the value of `predict`."""
TRANSFORMERS: dict[str, Callable[[Any, Columns], Columns]] = {}


F = TypeVar("F")


def classifier(*names: str) -> Callable[[F], F]:
    """Register the converter of classifiers of these names."""
    return _register(CLASSIFIERS, names)


def regressor(*names: str) -> Callable[[F], F]:
    """Register the converter of whatever answers with the values of `predict`."""
    return _register(REGRESSORS, names)


def transformer(*names: str) -> Callable[[F], F]:
    """Register the converter of transformers of these names."""
    return _register(TRANSFORMERS, names)


def _register(table: dict[str, Any], names: tuple[str, ...]) -> Callable[[F], F]:
    def add(function: F) -> F:
        table.update(dict.fromkeys(names, function))
        return function

    return add


def classify(estimator: Any, inputs: Columns) -> Classes:
    """Convert a classifier. Raises NotConvertible."""
    converted: Classes = _find(CLASSIFIERS, estimator)(estimator, inputs)
    return converted


def classify_one(estimator: Any, inputs: Columns) -> Classified:
    """Convert a classifier that must have one output."""
    converted = classify(estimator, inputs)
    if isinstance(converted, list):
        raise NotConvertible(name_of(estimator), "has several outputs inside another model")
    return converted


def predict(estimator: Any, inputs: Columns) -> Tensor:
    """Convert whatever answers with values."""
    converted: Tensor = _find(REGRESSORS, estimator)(estimator, inputs)
    return converted


def transform(estimator: Any, inputs: Columns) -> Columns:
    """Convert a transformer."""
    if estimator is None or isinstance(estimator, str):
        return inputs if estimator != "drop" else inputs.select(())
    converted: Columns = _find(TRANSFORMERS, estimator)(estimator, inputs)
    return converted


def probabilities(estimator: Any, inputs: Columns) -> Tensor:
    """The table of `predict_proba`."""
    found = classify_one(estimator, inputs).probabilities
    if found is None:
        raise NotConvertible(name_of(estimator), "its probabilities have no converter")
    return found


def name_of(estimator: Any) -> str:
    """The class of an estimator."""
    return type(estimator).__name__


BOOSTERS = {"xgboost": ("XGBClassifier", "XGBRegressor"), "lightgbm": ("LGBMClassifier", "LGBMRegressor")}
"""Whose converters read a bare booster, as a classifier and as a regressor."""


SOLVERS = (
    *("DictionaryLearning", "LatentDirichletAllocation", "LocallyLinearEmbedding", "MiniBatchDictionaryLearning"),
    *("MiniBatchNMF", "NMF", "SparseCoder"),
)
SOLVES_ANEW = "solves a problem of its own for each record, step by step, which is no formula"


def _find(table: dict[str, Any], estimator: Any) -> Callable[[Any, Columns], Any]:
    name = name_of(estimator)
    if name == "Booster":
        name = BOOSTERS[type(estimator).__module__.partition(".")[0]][table is REGRESSORS]
    if type(estimator).__module__.partition(".")[0] not in LIBRARIES:
        raise NotConvertible(name, "is code of its own, of which we do not know what it does")
    if name not in table:
        raise NotConvertible(name, SOLVES_ANEW if name in SOLVERS else "has no converter")
    found: Callable[[Any, Columns], Any] = table[name]
    return found


# -- what converters share -----------------------------------------------------------------------------------------


def softmax(scores: Tensor) -> Tensor:
    """Along the columns."""
    raised = (scores - scores.reduce("Max", 1, keep=True)).apply("Exp")
    return raised / raised.total(keep=True)


def expit(scores: Tensor) -> Tensor:
    """The logistic function, which overflows on no side."""
    small = (-scores.apply("Abs")).apply("Exp")
    return (scores >= 0.0).where(1.0 / (small + 1.0), small / (small + 1.0))


def two_sides(positive: Tensor) -> Tensor:
    """A table of two classes from the probability of the second."""
    return positive.graph.stack([1.0 - positive, positive])


def by_decision(decision: Tensor, classes: int, threshold: float = 0.0) -> Tensor:
    """Positions of classes from a decision function as scikit-learn shapes it."""
    return (decision > threshold).cast(np.int64) if classes == 2 else decision.argmax()


def affine(estimator: Any, inputs: Columns) -> Tensor:
    """`X @ coef_.T + intercept_`, a vector where there is one output."""
    coefficients = estimator.coef_
    weights: Array = np.asarray(coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients)
    intercept = np.asarray(estimator.intercept_, dtype=np.float64)
    x = inputs.numbers(name_of(estimator))
    if weights.ndim == 1:
        return (x @ weights.astype(np.float64).reshape(-1, 1)).reshape(-1) + intercept.reshape(-1)
    return x @ weights.astype(np.float64).T + intercept

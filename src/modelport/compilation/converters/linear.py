"""Models that weigh their inputs and add them up, and those that differ in a link function."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    affine,
    by_decision,
    classifier,
    expit,
    name_of,
    regressor,
    softmax,
    transformer,
    two_sides,
)
from modelport.compilation.graph import NotConvertible, Tensor

PLAIN = [
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
]


@regressor(*PLAIN)
def plain(estimator: Any, inputs: Columns) -> Tensor:
    """The weighted sum itself; one column stays one where training had it so."""
    return affine(estimator, inputs)


@regressor("PoissonRegressor", "GammaRegressor", "TweedieRegressor")
def generalized(estimator: Any, inputs: Columns) -> Tensor:
    """The inverse of the link is the identity or the exponential."""
    link = type(estimator._base_loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotConvertible(name_of(estimator), f"its {link} has no converter")
    raw = affine(estimator, inputs)
    return raw.apply("Exp") if link == "LogLink" else raw


@regressor("SGDOneClassSVM")
def one_class(estimator: Any, inputs: Columns) -> Tensor:
    """1 inside, -1 outside."""
    x = inputs.numbers(name_of(estimator))
    score = (x @ np.asarray(estimator.coef_).reshape(-1, 1)).reshape(-1) - np.asarray(estimator.offset_).reshape(-1)
    return (score >= 0.0).where(np.array(1), np.array(-1))


@regressor("PLSRegression", "PLSCanonical", "CCA")
def partial_least_squares(estimator: Any, inputs: Columns) -> Tensor:
    """Centred inputs, weighed."""
    x = inputs.numbers(name_of(estimator)) - np.asarray(estimator._x_mean)
    answer = x @ np.asarray(estimator.coef_).T + np.asarray(estimator.intercept_)
    return answer.reshape(-1) if estimator._predict_1d else answer


@transformer("PLSRegression", "PLSCanonical", "CCA", "PLSSVD")
def partial_scores(estimator: Any, inputs: Columns) -> Columns:
    """The scores of the inputs."""
    rotations = estimator.x_weights_ if name_of(estimator) == "PLSSVD" else estimator.x_rotations_
    x = inputs.numbers(name_of(estimator)) - np.asarray(estimator._x_mean)
    return inputs.now((x / np.asarray(estimator._x_std)) @ np.asarray(rotations), rotations.shape[1])


# -- classifiers ---------------------------------------------------------------------------------------------------


def decide(estimator: Any, inputs: Columns) -> Tensor:
    """The decision function: a vector for two classes."""
    raw = affine(estimator, inputs)
    return raw.reshape(-1) if np.atleast_2d(estimator.coef_).shape[0] == 1 else raw


@classifier("LinearSVC", "Perceptron", "PassiveAggressiveClassifier")
def separated(estimator: Any, inputs: Columns) -> Classified:
    """No probabilities."""
    decision = decide(estimator, inputs)
    return Classified(by_decision(decision, len(estimator.classes_)), None, decision)


@classifier("RidgeClassifier", "RidgeClassifierCV")
def ridge(estimator: Any, inputs: Columns) -> Classes:
    """Of several labels, each is decided by its own sign."""
    if not estimator._label_binarizer.y_type_.startswith("multilabel"):
        return separated(estimator, inputs)
    decision = affine(estimator, inputs)
    columns = [decision.column(i) for i in range(len(estimator.coef_))]
    return [Classified((column > 0.0).cast(np.int64)) for column in columns]


@classifier("LogisticRegression", "LogisticRegressionCV")
def logistic(estimator: Any, inputs: Columns) -> Classified:
    """Softmax, or one against the rest where training was so."""
    decision = decide(estimator, inputs)
    binary = len(estimator.classes_) == 2
    rest = getattr(estimator, "multi_class", None) == "ovr" or getattr(estimator, "solver", "") == "liblinear"
    table = one_against_rest(decision, binary) if rest or binary else softmax(decision)
    return Classified(by_decision(decision, len(estimator.classes_)), table, decision)


def one_against_rest(decision: Tensor, binary: bool) -> Tensor:
    """Logistic functions, normalized where there are several."""
    if binary:
        return two_sides(expit(decision))
    each = expit(decision)
    return each / each.total(keep=True)


@classifier("SGDClassifier")
def stochastic(estimator: Any, inputs: Columns) -> Classified:
    """Two of its losses have probabilities."""
    decision = decide(estimator, inputs)
    binary = len(estimator.classes_) == 2
    found = None
    if estimator.loss == "log_loss":
        found = one_against_rest(decision, binary)
    elif estimator.loss == "modified_huber":
        found = _modified_huber(decision, binary)
    return Classified(by_decision(decision, len(estimator.classes_)), found, decision)


def _modified_huber(decision: Tensor, binary: bool) -> Tensor:
    each = (decision.clip(-1.0, 1.0) + 1.0) / 2.0
    if binary:
        return two_sides(each)
    total = each.total(keep=True)
    nothing = total.equals(0.0)
    even = each * 0.0 + 1.0
    safe = nothing.where(even, each)
    return safe / safe.total(keep=True)


@classifier("LinearDiscriminantAnalysis")
def linear_discriminant(estimator: Any, inputs: Columns) -> Classified:
    """A softmax of linear scores."""
    decision = decide(estimator, inputs)
    binary = len(estimator.classes_) == 2
    table = two_sides(expit(decision)) if binary else softmax(decision)
    return Classified(by_decision(decision, len(estimator.classes_)), table, decision)


@transformer("LinearDiscriminantAnalysis")
def discriminant_axes(estimator: Any, inputs: Columns) -> Columns:
    """The axes that tell the classes apart."""
    x = inputs.numbers(name_of(estimator))
    axes = np.asarray(estimator.scalings_)[:, : estimator._max_components]
    scores = (
        (x - np.asarray(estimator.xbar_)) @ np.asarray(estimator.scalings_)
        if estimator.solver == "svd"
        else (x @ np.asarray(estimator.scalings_))
    )
    return inputs.now(scores.columns(np.arange(axes.shape[1])), axes.shape[1])

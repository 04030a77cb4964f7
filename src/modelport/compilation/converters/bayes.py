"""Models of probability densities: naive Bayes, quadratic discriminants, mixtures, and those that look at no input."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    classifier,
    expit,
    name_of,
    regressor,
    softmax,
    two_sides,
)
from modelport.compilation.graph import Array, NotConvertible, Tensor


def most_likely(scores: Tensor) -> Classified:
    """The class of the greatest logarithm, and all of them as probabilities."""
    return Classified(scores.argmax(), softmax(scores))


@classifier("GaussianNB")
def gaussian(estimator: Any, inputs: Columns) -> Classified:
    """A bell curve for each class and field."""
    x = inputs.numbers(name_of(estimator))
    means, variances = np.asarray(estimator.theta_), np.asarray(estimator.var_)
    apart = x.reshape(0, 1, -1) - means.reshape(1, *means.shape)
    constant = np.log(estimator.class_prior_) - 0.5 * np.log(2.0 * np.pi * variances).sum(axis=1)
    return most_likely((apart * apart / variances).total(2) * -0.5 + constant)


@classifier("MultinomialNB")
def multinomial(estimator: Any, inputs: Columns) -> Classified:
    """Weights of counts."""
    x = inputs.numbers(name_of(estimator))
    return most_likely(x @ np.asarray(estimator.feature_log_prob_).T + np.asarray(estimator.class_log_prior_))


@classifier("ComplementNB")
def complement(estimator: Any, inputs: Columns) -> Classified:
    """Likewise, from what the other classes have."""
    raw = inputs.numbers(name_of(estimator)) @ np.asarray(estimator.feature_log_prob_).T
    return most_likely(raw + np.asarray(estimator.class_log_prior_) if len(estimator.classes_) == 1 else raw)


@classifier("BernoulliNB")
def bernoulli(estimator: Any, inputs: Columns) -> Classified:
    """Yes or no for each field."""
    x = inputs.numbers(name_of(estimator))
    if estimator.binarize is not None:
        x = (x > float(estimator.binarize)).as_float()
    yes = np.asarray(estimator.feature_log_prob_)
    no = np.log(1 - np.exp(yes))
    return most_likely(x @ (yes - no).T + (np.asarray(estimator.class_log_prior_) + no.sum(axis=1)))


@classifier("CategoricalNB")
def categorical(estimator: Any, inputs: Columns) -> Classified:
    """A table for each field."""
    x = inputs.numbers(name_of(estimator))
    total = x.graph.repeat(np.zeros(len(estimator.classes_)))
    for i, table in enumerate(estimator.feature_log_prob_):
        total = total + x.graph.constant(np.asarray(table).T).gather(x.column(i).cast(np.int64))
    return most_likely(total + np.asarray(estimator.class_log_prior_))


@classifier("QuadraticDiscriminantAnalysis")
def quadratic(estimator: Any, inputs: Columns) -> Classified:
    """A Gaussian for each class, of a shape of its own."""
    x = inputs.numbers(name_of(estimator))
    scores = []
    for mean, turn, spread, prior in zip(
        estimator.means_, estimator.rotations_, estimator.scalings_, estimator.priors_, strict=True
    ):
        turned = (x - np.asarray(mean)) @ (np.asarray(turn) * np.asarray(spread) ** -0.5)
        scores.append(((turned * turned).total() + float(np.log(spread).sum())) * -0.5 + float(np.log(prior)))
    table = x.graph.stack(scores)
    if len(estimator.classes_) == 2:
        decision = scores[1] - scores[0]
        return Classified(table.argmax(), two_sides(expit(decision)), decision)
    return Classified(table.argmax(), softmax(table), table)


@regressor("GaussianMixture", "BayesianGaussianMixture")
def mixture(estimator: Any, inputs: Columns) -> Tensor:
    """The most likely part."""
    x = inputs.numbers(name_of(estimator))
    means, roots = np.asarray(estimator.means_), np.asarray(estimator.precisions_cholesky_)
    scores = []
    for k, mean in enumerate(means):
        if estimator.covariance_type in ("full", "tied"):
            root = roots if estimator.covariance_type == "tied" else roots[k]
            turned = (x @ root) - mean @ root
        else:
            turned = (x - mean) * roots[k]
        scores.append((turned * turned).total() * -0.5)
    centre = np.asarray(means)[:1]
    fixed = estimator._estimate_weighted_log_prob(centre)[0]
    own = [_squared_at(estimator, k, centre[0]) for k in range(len(means))]
    constant: Array = fixed + 0.5 * np.array(own)
    return (x.graph.stack(scores) + constant).argmax()


def _squared_at(estimator: Any, k: int, x: Any) -> float:
    """The squared distance of a point in the metric of a part: what is left of its score is a constant."""
    roots = np.asarray(estimator.precisions_cholesky_)
    if estimator.covariance_type in ("full", "tied"):
        turned = (x - estimator.means_[k]) @ (roots if estimator.covariance_type == "tied" else roots[k])
    else:
        turned = (x - estimator.means_[k]) * roots[k]
    return float((turned**2).sum())


@regressor("EllipticEnvelope")
def enveloped(estimator: Any, inputs: Columns) -> Tensor:
    """-1 where the Mahalanobis distance is great."""
    apart = inputs.numbers(name_of(estimator)) - np.asarray(estimator.location_)
    distance = ((apart @ np.asarray(estimator.get_precision())) * apart).total()
    return (-distance - float(estimator.offset_) >= 0.0).where(np.array(1), np.array(-1))


# -- models that look at no input ----------------------------------------------------------------------------------


@regressor("DummyRegressor")
def constant_value(estimator: Any, inputs: Columns) -> Tensor:
    """Always the same."""
    values = np.asarray(estimator.constant_, dtype=np.float64).reshape(-1)
    return inputs.tensor.graph.repeat(values if estimator.n_outputs_ > 1 else values[0])


@classifier("DummyClassifier")
def constant_class(estimator: Any, inputs: Columns) -> Classes:
    """Always the same, unless it draws lots."""
    if estimator.strategy in ("uniform", "stratified"):
        raise NotConvertible(name_of(estimator), "draws lots, so no two answers are alike")
    if estimator.n_outputs_ > 1:
        raise NotConvertible(name_of(estimator), "has several outputs")
    table = np.asarray(estimator.predict_proba(np.zeros((1, inputs.width))))[0]
    first = estimator.predict(np.zeros((1, inputs.width)))[0]
    place = estimator.classes_.tolist().index(first)
    g = inputs.tensor.graph
    return Classified(g.repeat(np.asarray(float(place))).cast(np.int64), g.repeat(table))

"""Models that compare a record with stored ones: kernels, support vectors and Gaussian processes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.committees import pair_votes
from modelport.compilation.converters.registry import (
    Classified,
    classifier,
    classify_one,
    expit,
    name_of,
    regressor,
    transformer,
    two_sides,
)
from modelport.compilation.graph import Array, NotConvertible, Tensor


def squared_distances(x: Tensor, points: Array) -> Tensor:
    """Records by points, as scikit-learn works it out: squares less twice the product, and not below zero."""
    points = np.asarray(points, dtype=np.float64)
    norms: Array = (points * points).sum(axis=1)
    apart = (x @ points.T) * -2.0 + (x * x).total(keep=True) + norms
    return apart.clip(0.0, None)


def exact_distances(x: Tensor, points: Array) -> Tensor:
    """The same from differences, added up field by field: exact where values are, so that equal distances are equal."""
    points = np.asarray(points, dtype=np.float64)
    apart = x.reshape(0, 1, -1) - points.reshape(1, *points.shape)
    return (apart * apart).in_order(2, points.shape[1])


def pairwise(
    part: str, x: Tensor, points: Array, kind: Any, gamma: float | None, degree: float, coef0: float
) -> Tensor:
    """A kernel by its name."""
    points = np.asarray(points.toarray() if hasattr(points, "toarray") else points, dtype=np.float64)
    scale = 1.0 / points.shape[1] if gamma is None else float(gamma)
    if kind == "linear":
        return x @ points.T
    if kind == "rbf":
        return (squared_distances(x, points) * -scale).apply("Exp")
    if kind in ("poly", "polynomial"):
        return ((x @ points.T) * scale + float(coef0)) ** float(degree)
    if kind == "sigmoid":
        return ((x @ points.T) * scale + float(coef0)).apply("Tanh")
    if kind == "laplacian":
        apart = (x.reshape(0, 1, -1) - points.reshape(1, *points.shape)).apply("Abs").total(2)
        return (apart * -scale).apply("Exp")
    if kind == "cosine":
        length = (x * x).total(keep=True).apply("Sqrt")
        norms = np.sqrt((points * points).sum(axis=1, keepdims=True))
        return (x / length.equals(0.0).where(1.0, length)) @ (points / np.where(norms == 0, 1.0, norms)).T
    raise NotConvertible(part, f"its kernel {kind!r:.40} has no converter")


# -- support vectors -----------------------------------------------------------------------------------------------


def _against_support(estimator: Any, inputs: Columns) -> Tensor:
    if estimator._sparse:
        raise NotConvertible(name_of(estimator), "was trained on sparse data")
    x = inputs.numbers(name_of(estimator))
    return pairwise(
        *(name_of(estimator), x, estimator.support_vectors_, estimator.kernel),
        *(estimator._gamma, estimator.degree, estimator.coef0),
    )


@regressor("SVR", "NuSVR")
def support_values(estimator: Any, inputs: Columns) -> Tensor:
    """The weighted sum of kernels."""
    raw = _against_support(estimator, inputs) @ np.asarray(estimator._dual_coef_).T + np.asarray(estimator._intercept_)
    return raw.reshape(-1)


@regressor("OneClassSVM")
def support_of_one(estimator: Any, inputs: Columns) -> Tensor:
    """1 inside, -1 outside."""
    return (support_values(estimator, inputs) > 0.0).where(np.array(1), np.array(-1))


@classifier("SVC", "NuSVC")
def support_classes(estimator: Any, inputs: Columns) -> Classified:
    """Votes of pairs of classes; the first of those with most."""
    classes = len(estimator.classes_)
    kernel = _against_support(estimator, inputs)
    weights, signs = _pair_weights(estimator, classes)
    pairs = kernel @ weights.T + np.asarray(estimator._intercept_)
    if classes == 2:
        decision = (-pairs).reshape(-1) * signs
        found = None
        if estimator.probability not in (False, "deprecated"):
            a, b = float(estimator._probA[0]), float(estimator._probB[0])
            found = two_sides(expit(decision * -a + b) if signs > 0 else expit(decision * a + b))
        return Classified((decision > 0.0).cast(np.int64), found, decision)
    return _support_votes(estimator, pairs, classes)


def _support_votes(estimator: Any, pairs: Tensor, classes: int) -> Classified:
    first = (pairs > 0.0).as_float()
    marks = np.zeros((2, len(list(combinations(range(classes), 2))), classes))
    for k, (i, j) in enumerate(combinations(range(classes), 2)):
        marks[0, k, i] = marks[1, k, j] = 1.0
    votes = first @ marks[0] + (1.0 - first) @ marks[1]
    scored = [(-pairs.column(k), 0.0) for k in range(marks.shape[1])]
    decision = pair_votes(scored, [pairs.column(k) < 0.0 for k in range(marks.shape[1])], classes).decision
    labels = decision.argmax() if estimator.break_ties and decision is not None else votes.argmax()
    return Classified(labels, None, decision if estimator.decision_function_shape == "ovr" else None)


def _pair_weights(estimator: Any, classes: int) -> tuple[Array, float]:
    """For each pair of classes the weights of all support vectors, from the layout that libsvm stores."""
    counts = np.asarray(estimator._n_support)
    ends = np.cumsum([0, *counts])
    dual = np.asarray(estimator._dual_coef_)
    rows = []
    for i, j in combinations(range(classes), 2):
        row = np.zeros(dual.shape[1])
        row[ends[i] : ends[i + 1]] = dual[j - 1, ends[i] : ends[i + 1]]
        row[ends[j] : ends[j + 1]] = dual[i, ends[j] : ends[j + 1]]
        rows.append(row)
    return np.array(rows), 1.0


@regressor("KernelRidge")
def kernel_ridge(estimator: Any, inputs: Columns) -> Tensor:
    """The weighted sum of kernels."""
    x = inputs.numbers(name_of(estimator))
    kernel = pairwise(
        *(name_of(estimator), x, estimator.X_fit_, estimator.kernel),
        *(estimator.gamma, estimator.degree, estimator.coef0),
    )
    dual = np.asarray(estimator.dual_coef_)
    return (kernel @ dual.reshape(-1, 1)).reshape(-1) if dual.ndim == 1 else kernel @ dual


@transformer("Nystroem")
def nystroem(estimator: Any, inputs: Columns) -> Columns:
    """Kernels with a few records, made orthogonal."""
    x = inputs.numbers(name_of(estimator))
    degree = 3 if estimator.degree is None else estimator.degree
    coef0 = 1 if estimator.coef0 is None else estimator.coef0
    kernel = pairwise(name_of(estimator), x, estimator.components_, estimator.kernel, estimator.gamma, degree, coef0)
    return inputs.now(kernel @ np.asarray(estimator.normalization_).T, len(estimator.normalization_))


@transformer("KernelPCA")
def kernel_components(estimator: Any, inputs: Columns) -> Columns:
    """Centred kernels, projected."""
    x = inputs.numbers(name_of(estimator))
    gamma = getattr(estimator, "gamma_", estimator.gamma)
    kernel = pairwise(
        name_of(estimator), x, estimator.X_fit_, estimator.kernel, gamma, estimator.degree, estimator.coef0
    )
    centre = estimator._centerer
    mean = kernel.total(keep=True) / float(len(centre.K_fit_rows_))
    centred = kernel - np.asarray(centre.K_fit_rows_) - mean + float(centre.K_fit_all_)
    values, vectors = np.asarray(estimator.eigenvalues_), np.asarray(estimator.eigenvectors_)
    scaled = np.zeros_like(vectors)
    kept = np.flatnonzero(values)
    scaled[:, kept] = vectors[:, kept] / np.sqrt(values[kept])
    return inputs.now(centred @ scaled, scaled.shape[1])


# -- Gaussian processes --------------------------------------------------------------------------------------------


def covariance(kernel: Any, x: Tensor, points: Array) -> Tensor:
    """A covariance function of scikit-learn between records and points that are others."""
    name = type(kernel).__name__
    if name == "Sum":
        return covariance(kernel.k1, x, points) + covariance(kernel.k2, x, points)
    if name == "Product":
        return covariance(kernel.k1, x, points) * covariance(kernel.k2, x, points)
    if name == "Exponentiation":
        return covariance(kernel.kernel, x, points) ** float(kernel.exponent)
    if name == "ConstantKernel":
        return x.graph.repeat(np.full(len(points), float(kernel.constant_value)))
    if name == "WhiteKernel":
        return x.graph.repeat(np.zeros(len(points)))
    if name == "DotProduct":
        return x @ np.asarray(points).T + float(kernel.sigma_0) ** 2
    return _stationary(kernel, name, x, points)


def _stationary(kernel: Any, name: str, x: Tensor, points: Array) -> Tensor:
    length = np.asarray(kernel.length_scale, dtype=np.float64)
    squared = exact_distances(x / length, np.asarray(points) / length)
    if name == "RBF":
        return (squared * -0.5).apply("Exp")
    if name == "RationalQuadratic":
        squared = exact_distances(x, points)
        return (squared / (2.0 * float(kernel.alpha) * float(length) ** 2) + 1.0) ** -float(kernel.alpha)
    if name == "Matern" and kernel.nu in (0.5, 1.5, 2.5):
        distance = squared.apply("Sqrt") * float(np.sqrt(2 * kernel.nu))
        fading = (-distance).apply("Exp")
        if kernel.nu == 0.5:
            return fading
        rising = distance + 1.0 if kernel.nu == 1.5 else distance + 1.0 + distance * distance / 3.0
        return rising * fading
    raise NotConvertible(f"kernel {name}", "has no converter")


@regressor("GaussianProcessRegressor")
def process_values(estimator: Any, inputs: Columns) -> Tensor:
    """The posterior mean."""
    if not hasattr(estimator, "X_train_"):
        raise NotConvertible(name_of(estimator), "is not fitted")
    alpha = np.asarray(estimator.alpha_)
    x = inputs.numbers(name_of(estimator))
    raw = covariance(estimator.kernel_, x, estimator.X_train_) @ alpha.reshape(len(alpha), -1)
    mean = raw * np.asarray(estimator._y_train_std) + np.asarray(estimator._y_train_mean)
    return mean if alpha.ndim == 2 and alpha.shape[1] > 1 else mean.reshape(-1)


@classifier("GaussianProcessClassifier")
def process_classes(estimator: Any, inputs: Columns) -> Classified:
    """Two classes by Laplace's approximation, more by one against the rest."""
    return classify_one(estimator.base_estimator_, inputs)


@classifier("_BinaryGaussianProcessClassifierLaplace")
def process_of_two(estimator: Any, inputs: Columns) -> Classified:
    """The logistic function averaged over the latent value, by five error functions."""
    from sklearn.gaussian_process._gpc import COEFS, LAMBDAS

    x = inputs.numbers(name_of(estimator))
    kernel = covariance(estimator.kernel_, x, estimator.X_train_)
    latent = kernel @ (np.asarray(estimator.y_train_) - np.asarray(estimator.pi_)).reshape(-1, 1)
    inverse = np.linalg.solve(estimator.L_, np.diag(estimator.W_sr_))
    shrunk = kernel @ inverse.T
    own = float(estimator.kernel_.diag(np.zeros((1, estimator.X_train_.shape[1])))[0])
    if not getattr(estimator.kernel_, "stationary", True) and not _is_stationary(estimator.kernel_):
        raise NotConvertible(name_of(estimator), "its kernel varies from place to place")
    variance = own - (shrunk * shrunk).total(keep=True)
    lambdas, weights = np.asarray(LAMBDAS).reshape(1, -1), np.asarray(COEFS).reshape(1, -1)
    alpha = 1.0 / (variance * 2.0)
    angle = (latent * lambdas) * (alpha / (alpha + lambdas**2)).apply("Sqrt")
    integrals = (np.pi / alpha).apply("Sqrt") * error_function(angle) / ((variance * (2 * np.pi)).apply("Sqrt") * 2.0)
    positive = (integrals * weights).total() + 0.5 * float(weights.sum())
    return Classified((latent.reshape(-1) > 0.0).cast(np.int64), two_sides(positive))


def _is_stationary(kernel: Any) -> bool:
    return bool(kernel.is_stationary())


NEAR_ZERO = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
FAR = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
"""Cody's rational approximations of the error function (1969), highest power first: numerators and denominators."""


def error_function(x: Tensor) -> Tensor:
    """In float64, which ONNX Runtime's own is not."""
    size = x.apply("Abs").clip(None, 6.0)  # beyond, it is 1
    square = size * size
    inner = x * (_polynomial(NEAR_ZERO[0], square) / _polynomial(NEAR_ZERO[1], square))
    rest = (-square).apply("Exp") * (_polynomial(FAR[0], size) / _polynomial(FAR[1], size))
    return (size <= 0.46875).where(inner, x.apply("Sign") * (1.0 - rest))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    total = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * x + coefficient
    return total

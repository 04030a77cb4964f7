"""Transformers that make new columns out of all the old ones, and neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.prepare import interpolate
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    classifier,
    expit,
    name_of,
    regressor,
    softmax,
    transformer,
    two_sides,
)
from modelport.compilation.graph import Array, NotConvertible, Tensor

# -- decompositions ------------------------------------------------------------------------------------------------


def _projected(estimator: Any, inputs: Columns, weights: Any, mean: Any = None) -> Columns:
    x = inputs.numbers(name_of(estimator))
    weights = np.asarray(weights.toarray() if hasattr(weights, "toarray") else weights, dtype=np.float64)
    return inputs.now((x if mean is None else x - np.asarray(mean)) @ weights, weights.shape[1])


@transformer("PCA", "IncrementalPCA")
def principal(estimator: Any, inputs: Columns) -> Columns:
    """The directions of most variance; the mean is taken off after the projection, as the original does."""
    made = _projected(estimator, inputs, np.asarray(estimator.components_).T)
    scores = made.tensor - np.asarray(estimator.mean_).reshape(1, -1) @ np.asarray(estimator.components_).T
    if estimator.whiten:
        scale = np.sqrt(np.asarray(estimator.explained_variance_))
        scores = scores / np.maximum(scale, np.finfo(scale.dtype).eps)
    return made.kept(scores)


@transformer("TruncatedSVD", "NeighborhoodComponentsAnalysis", "GaussianRandomProjection", "SparseRandomProjection")
def weighed(estimator: Any, inputs: Columns) -> Columns:
    """Weighted sums, nothing else."""
    components = estimator.components_
    return _projected(estimator, inputs, components.T)


@transformer("FastICA")
def independent(estimator: Any, inputs: Columns) -> Columns:
    """Independent parts."""
    return _projected(
        estimator, inputs, np.asarray(estimator.components_).T, estimator.mean_ if estimator.whiten else None
    )


@transformer("FactorAnalysis")
def factors(estimator: Any, inputs: Columns) -> Columns:
    """The posterior mean of the factors."""
    components = np.asarray(estimator.components_)
    weighted = components / np.asarray(estimator.noise_variance_)
    covariance = np.linalg.inv(np.eye(len(components)) + weighted @ components.T)
    return _projected(estimator, inputs, weighted.T @ covariance, estimator.mean_)


@transformer("SparsePCA", "MiniBatchSparsePCA")
def sparse_principal(estimator: Any, inputs: Columns) -> Columns:
    """A ridge regression on the components, of which the solution is linear in the inputs."""
    components = np.asarray(estimator.components_)
    penalty = float(estimator.ridge_alpha) * np.eye(len(components))
    solved = np.linalg.solve(components @ components.T + penalty, components)
    return _projected(estimator, inputs, solved.T, estimator.mean_)


@transformer("KernelCenterer")
def centred_kernel(estimator: Any, inputs: Columns) -> Columns:
    """Less the means of the columns in training and of this row, plus the mean of all."""
    x = inputs.numbers(name_of(estimator))
    rows = np.asarray(estimator.K_fit_rows_, dtype=np.float64)
    return inputs.kept(x - rows - x.total(keep=True) / float(len(rows)) + float(estimator.K_fit_all_))


@transformer("FeatureAgglomeration")
def agglomerated(estimator: Any, inputs: Columns) -> Columns:
    """The mean, the greatest or the least of each cluster of columns."""
    x = inputs.numbers(name_of(estimator))
    kinds = {"mean": "Mean", "max": "Max", "min": "Min", "amax": "Max", "amin": "Min"}
    kind = kinds.get(getattr(estimator.pooling_func, "__name__", ""))
    if kind is None:
        raise NotConvertible(name_of(estimator), "pools by a function of its own")
    labels = np.asarray(estimator.labels_)
    groups = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    return inputs.now(x.graph.concat([x.columns(g).reduce(kind, 1, keep=True) for g in groups]), len(groups))


@transformer("BernoulliRBM")
def boltzmann(estimator: Any, inputs: Columns) -> Columns:
    """The probabilities of the hidden units."""
    made = _projected(estimator, inputs, np.asarray(estimator.components_).T)
    return made.kept(expit(made.tensor + np.asarray(estimator.intercept_hidden_)))


# -- new columns by formula ----------------------------------------------------------------------------------------


@transformer("PolynomialFeatures")
def polynomial(estimator: Any, inputs: Columns) -> Columns:
    """Products of columns, each of one more column and of a product that is there already: rounding depends on the order."""
    x = inputs.numbers(name_of(estimator))
    made: dict[tuple[int, ...], Tensor] = {}
    found = []
    for powers in np.asarray(estimator.powers_):
        chosen = tuple(int(i) for i in np.repeat(np.arange(inputs.width), powers))
        found.append(_product(x, chosen, made))
    return inputs.now(x.graph.stack(found), len(found))


def _product(x: Tensor, chosen: tuple[int, ...], made: dict[tuple[int, ...], Tensor]) -> Tensor:
    if not chosen:
        return x.graph.repeat(np.asarray(1.0))
    if chosen not in made:
        first = x.column(chosen[0])
        made[chosen] = first if len(chosen) == 1 else _product(x, chosen[1:], made) * first
    return made[chosen]


@transformer("SplineTransformer")
def splines(estimator: Any, inputs: Columns) -> Columns:
    """B-splines by the recursion of de Boor, outside of the knots as training said."""
    if estimator.extrapolation not in ("constant", "error", "linear", "continue"):
        raise NotConvertible(name_of(estimator), f"extrapolation {estimator.extrapolation!r} has no converter")
    x = inputs.numbers(name_of(estimator))
    parts = [_spline(estimator, x.columns([i]), spline) for i, spline in enumerate(estimator.bsplines_)]
    count = sum(s.c.shape[1] for s in estimator.bsplines_)
    if not estimator.include_bias:
        kept = [np.arange(s.c.shape[1] - 1) for s in estimator.bsplines_]
        parts = [p.columns(k) for p, k in zip(parts, kept, strict=True)]
        count = sum(len(k) for k in kept)
    return inputs.now(x.graph.concat(parts), count)


def _spline(estimator: Any, x: Tensor, spline: Any) -> Tensor:
    knots, degree = np.asarray(spline.t), int(spline.k)
    low, high = float(knots[degree]), float(knots[-degree - 1])
    inside = _basis(x.clip(low, high), knots, degree, estimator.extrapolation == "continue", x)
    if estimator.extrapolation == "linear":
        raise NotConvertible(name_of(estimator), "extrapolates linearly")
    return inside @ np.asarray(spline.c)


def _basis(x: Tensor, knots: Array, degree: int, beyond: bool, raw: Tensor) -> Tensor:
    """The basis functions at x; the last interval is closed, and with `beyond` the end pieces go on outside."""
    at = raw if beyond else x
    first, last = degree, len(knots) - degree - 2
    starts = (x >= knots[:-1].reshape(1, -1)).as_float()
    ends = (x < knots[1:].reshape(1, -1)).as_float()
    table = starts * ends * np.array([float(first <= i <= last) for i in range(len(knots) - 1)])
    closing = np.zeros((1, len(knots) - 1))
    closing[0, last] = 1.0
    table = (x >= float(knots[last + 1])).where(closing, table)
    for k in range(1, degree + 1):
        count = len(knots) - 1 - k
        rise, fall = knots[k : k + count] - knots[:count], knots[k + 1 : k + 1 + count] - knots[1 : 1 + count]
        with np.errstate(divide="ignore"):
            up, down = np.where(rise > 0, 1 / rise, 0.0), np.where(fall > 0, 1 / fall, 0.0)
        left, right = table.columns(np.arange(count)), table.columns(np.arange(1, count + 1))
        table = (at - knots[:count].reshape(1, -1)) * up * left + (knots[k + 1 : k + 1 + count].reshape(1, -1) - at) * (
            down * right
        )
    return table


@transformer("RBFSampler")
def random_waves(estimator: Any, inputs: Columns) -> Columns:
    """Cosines of random directions."""
    made = _projected(estimator, inputs, estimator.random_weights_)
    waves = (made.tensor + np.asarray(estimator.random_offset_)).apply("Cos")
    return made.kept(waves * float((2.0 / estimator.n_components) ** 0.5))


@transformer("SkewedChi2Sampler")
def skewed_waves(estimator: Any, inputs: Columns) -> Columns:
    """Cosines of random directions of logarithms."""
    x = (inputs.numbers(name_of(estimator)) + float(estimator.skewedness)).apply("Log")
    waves = (x @ np.asarray(estimator.random_weights_) + np.asarray(estimator.random_offset_)).apply("Cos")
    return inputs.now(waves * float(np.sqrt(2.0) / np.sqrt(estimator.n_components)), estimator.n_components)


@transformer("AdditiveChi2Sampler")
def additive_waves(estimator: Any, inputs: Columns) -> Columns:
    """Samples of the Fourier transform of the kernel, where the value is not zero."""
    x = inputs.numbers(name_of(estimator))
    g = x.graph
    given = getattr(estimator, "sample_interval", None)
    step = float(given if given is not None else {1: 0.8, 2: 0.5, 3: 0.4}[estimator.sample_steps])
    zero = x.equals(0.0)
    safe = zero.where(1.0, x)
    parts = [zero.where(0.0, (x * step).apply("Sqrt"))]
    logarithm = safe.apply("Log") * step
    twice = x * (2.0 * step)
    for j in range(1, estimator.sample_steps):
        factor = (twice / float(np.cosh(np.pi * j * step))).apply("Sqrt")
        parts.append(zero.where(0.0, factor * (logarithm * float(j)).apply("Cos")))
        parts.append(zero.where(0.0, factor * (logarithm * float(j)).apply("Sin")))
    return inputs.now(g.concat(parts), inputs.width * len(parts))


@transformer("PolynomialCountSketch")
def count_sketch(estimator: Any, inputs: Columns) -> Columns:
    """Products of sketches under the Fourier transform, which are circular convolutions of the sketches themselves."""
    x = inputs.numbers(name_of(estimator)) * float(np.sqrt(estimator.gamma))
    width, size = inputs.width, estimator.n_components
    if estimator.coef0 != 0:
        x = x.graph.concat([x, x.graph.repeat(np.full(1, np.sqrt(estimator.coef0)))])
        width += 1
    angles = -2.0 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    real = imaginary = None
    for d in range(estimator.degree):
        hashed = np.zeros((width, size))
        for j in range(width):
            hashed[j, estimator.indexHash_[d, j]] += estimator.bitHash_[d, j]
        re, im = x @ (hashed @ np.cos(angles)), x @ (hashed @ np.sin(angles))
        if real is None or imaginary is None:
            real, imaginary = re, im
        else:
            real, imaginary = real * re - imaginary * im, real * im + imaginary * re
    assert real is not None
    assert imaginary is not None
    return inputs.now((real @ np.cos(angles) + imaginary @ np.sin(angles)) / float(size), size)


@transformer("TfidfTransformer")
def term_weights(estimator: Any, inputs: Columns) -> Columns:
    """Counts by the rarity of their terms."""
    x = inputs.numbers(name_of(estimator))
    if estimator.sublinear_tf:
        x = (x > 0.0).where((x > 0.0).where(x, 1.0).apply("Log") + 1.0, x)
    if estimator.use_idf:
        x = x * np.asarray(estimator.idf_)
    if estimator.norm is not None:
        squared = estimator.norm == "l2"
        sums = (x * x if squared else x.apply("Abs")).in_order(1, inputs.width).tall()
        length = sums.apply("Sqrt") if squared else sums
        x = x / length.equals(0.0).where(1.0, length)
    return inputs.kept(x)


@transformer("IsotonicRegression")
def isotonic_column(estimator: Any, inputs: Columns) -> Columns:
    """What the regression says, as a column."""
    return inputs.now(isotonic(estimator, inputs).tall(), 1)


@regressor("IsotonicRegression")
def isotonic(estimator: Any, inputs: Columns) -> Tensor:
    """Interpolation between thresholds; NaN outside where training said so."""
    if estimator.out_of_bounds == "raise":
        raise NotConvertible(
            name_of(estimator), "refuses values outside its training range; out_of_bounds='clip' does not"
        )
    x = inputs.numbers(name_of(estimator)).reshape(-1)
    at, values = np.asarray(estimator.X_thresholds_), np.asarray(estimator.y_thresholds_)
    found = interpolate(x, at, values)
    if estimator.out_of_bounds == "nan":
        found = (x < float(at[0])).where(np.nan, (x > float(at[-1])).where(np.nan, found))
    return found


# -- neural networks -----------------------------------------------------------------------------------------------


def _activated(x: Tensor, kind: str) -> Tensor:
    if kind == "identity":
        return x
    if kind == "logistic":
        return expit(x)
    return x.clip(0.0, None) if kind == "relu" else x.apply("Tanh")


def _layers(estimator: Any, inputs: Columns) -> Tensor:
    x = inputs.numbers(name_of(estimator))
    last = len(estimator.coefs_) - 1
    for i, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        x = x @ np.asarray(weights, dtype=np.float64) + np.asarray(bias, dtype=np.float64)
        x = x if i == last else _activated(x, estimator.activation)
    return x


@regressor("MLPRegressor")
def network_values(estimator: Any, inputs: Columns) -> Tensor:
    """The last layer as it is, or where the loss wants it, its exponential."""
    raw = _layers(estimator, inputs)
    if estimator.out_activation_ == "exp":
        raw = raw.apply("Exp")
    elif estimator.out_activation_ != "identity":
        raise NotConvertible(name_of(estimator), f"its output {estimator.out_activation_} has no converter")
    return raw.reshape(-1) if estimator.n_outputs_ == 1 else raw


@classifier("MLPClassifier")
def network_classes(estimator: Any, inputs: Columns) -> Classes:
    """Softmax, or a logistic function for two classes or several labels."""
    raw = _layers(estimator, inputs)
    if estimator.out_activation_ == "softmax":
        table = softmax(raw)
        return Classified(table.argmax(), table)
    each = expit(raw)
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        columns = [each.column(i) for i in range(estimator.n_outputs_)]
        return [Classified((c > 0.5).cast(np.int64), two_sides(c)) for c in columns]
    positive = each.reshape(-1)
    return Classified((positive > 0.5).cast(np.int64), two_sides(positive))

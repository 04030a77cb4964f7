"""Models that answer by what lies nearest: neighbors, centroids, clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns
from modelport.compilation.converters.kernels import exact_distances, squared_distances
from modelport.compilation.converters.registry import (
    Classified,
    classifier,
    name_of,
    regressor,
    softmax,
    transformer,
)
from modelport.compilation.graph import Array, NotConvertible, Tensor

MAX_CELLS = 2_000_000
"""Stored records times fields: a record is compared with all of them, so beyond this a search tree is faster."""


def _stored(estimator: Any) -> Array:
    points = estimator._fit_X
    points = np.asarray(points.toarray() if hasattr(points, "toarray") else points, dtype=np.float64)
    if points.size > MAX_CELLS:
        raise NotConvertible(
            name_of(estimator), f"compares with {len(points):,} stored rows, which a search tree does faster"
        )
    return points


def distances_to(estimator: Any, x: Tensor) -> Tensor:
    """Records by stored records, in a measure that orders as the estimator's metric does."""
    points = _stored(estimator)
    metric = estimator.effective_metric_
    if metric == "euclidean":
        return exact_distances(x, points)
    apart = (x.reshape(0, 1, -1) - points.reshape(1, *points.shape)).apply("Abs")
    if metric == "manhattan":
        return apart.in_order(2, points.shape[1])
    if metric == "chebyshev":
        return apart.reduce("Max", 2)
    raise NotConvertible(name_of(estimator), f"its metric {metric!r:.40} has no converter")


@classifier("KNeighborsClassifier")
def voted_by_neighbors(estimator: Any, _: Columns) -> Classified:
    """Votes of the nearest."""
    raise _undecided(estimator)


@regressor("KNeighborsRegressor", "LocalOutlierFactor")
def averaged_neighbors(estimator: Any, _: Columns) -> Tensor:
    """The mean of the nearest, or whether they are denser."""
    raise _undecided(estimator)


def _undecided(estimator: Any) -> NotConvertible:
    """Checked rows seldom show it: among those that callers send, whole numbers say, equal distances are common."""
    return NotConvertible(
        name_of(estimator), "which of the stored rows at equal distances it takes, its search decides"
    )


@regressor("RadiusNeighborsRegressor")
def averaged_within(estimator: Any, inputs: Columns) -> Tensor:
    """The mean of all within the radius; NaN where there are none."""
    if estimator.weights != "uniform":
        raise NotConvertible(name_of(estimator), "weighs its neighbors")
    x = inputs.numbers(name_of(estimator))
    inside = _inside(estimator, x)
    known = np.asarray(estimator._y, dtype=np.float64)
    mean = (inside @ known.reshape(len(known), -1)) / inside.total(keep=True)
    return mean.reshape(-1) if known.ndim == 1 else mean


def _inside(estimator: Any, x: Tensor) -> Tensor:
    if (
        estimator._fit_method == "brute"
    ):  # its distances are rounded: of tenths, every fortieth row or so has one at the radius
        raise NotConvertible(
            name_of(estimator), "which rows are right at its radius, the rounding of its search decides"
        )
    distance = distances_to(estimator, x)
    limit = float(estimator.radius) ** 2 if estimator.effective_metric_ == "euclidean" else float(estimator.radius)
    return (distance <= limit).as_float()


@classifier("RadiusNeighborsClassifier")
def voted_within(estimator: Any, inputs: Columns) -> Classified:
    """Votes of all within the radius. Where there are none, the original raises, or gives a label that was set for it."""
    if estimator.weights != "uniform" or isinstance(estimator.classes_, list):
        raise NotConvertible(name_of(estimator), "weighs its neighbors, or has several outputs")
    inside = _inside(estimator, inputs.numbers(name_of(estimator)))
    counts = inside @ np.eye(len(estimator.classes_))[np.asarray(estimator._y).reshape(-1)]
    total = counts.total(keep=True)
    table = counts / total.equals(0.0).where(1.0, total)
    outlier = getattr(estimator, "outlier_label_", None)
    label = None if outlier is None else outlier[0]
    if label is None:
        return Classified(table.argmax(), table)
    if label not in estimator.classes_.tolist():
        raise NotConvertible(name_of(estimator), "gives a label of its own to outliers")
    place = estimator.classes_.tolist().index(label)
    nothing = total.equals(0.0)
    table = nothing.where(np.eye(len(estimator.classes_))[[place]], table)
    return Classified(table.argmax(), table)


@classifier("NearestCentroid")
def nearest_centroid(estimator: Any, inputs: Columns) -> Classified:
    """The nearest of the classes' centroids, the more frequent class being nearer."""
    if estimator.metric != "euclidean":
        raise NotConvertible(name_of(estimator), f"its metric {estimator.metric} has no converter")
    x = inputs.numbers(name_of(estimator))
    deviation = np.asarray(getattr(estimator, "within_class_std_dev_", np.ones(inputs.width)))
    deviation = np.where(deviation == 0, 1.0, deviation)
    centroids = np.asarray(estimator.centroids_)
    prior = getattr(estimator, "class_prior_", np.full(len(centroids), 1 / len(centroids)))
    distances = squared_distances(x / deviation, centroids / deviation).apply("Sqrt")
    scores = np.log(np.asarray(prior)) * 2.0 - distances * distances
    even = bool(np.isclose(prior, 1 / len(centroids)).all())
    labels = _nearest_centre(x, centroids) if even else scores.argmax()
    return Classified(labels, softmax(scores), scores)


# -- clusters ------------------------------------------------------------------------------------------------------


@regressor("KMeans", "MiniBatchKMeans", "MeanShift", "AffinityPropagation")
def nearest_cluster(estimator: Any, inputs: Columns) -> Tensor:
    """The position of the nearest centre."""
    return _by_centre(estimator, inputs, np.asarray(estimator.cluster_centers_))


def _by_centre(estimator: Any, inputs: Columns, centres: Array) -> Tensor:
    x = inputs.numbers(name_of(estimator))
    if centres.dtype == np.float32:
        x = x.rounded()
    return _nearest_centre(x, centres.astype(np.float64))


def _nearest_centre(x: Tensor, centres: Array) -> Tensor:
    norms: Array = (centres * centres).sum(axis=1)
    return (x @ (centres.T * -2.0) + norms).argmin()


@regressor("Birch")
def nearest_subcluster(estimator: Any, inputs: Columns) -> Tensor:
    """The cluster of the nearest of many small ones."""
    place = _by_centre(estimator, inputs, np.asarray(estimator.subcluster_centers_))
    return place.graph.constant(np.asarray(estimator.subcluster_labels_, dtype=np.int64)).gather(place)


@regressor("BisectingKMeans")
def bisected(estimator: Any, inputs: Columns) -> Tensor:
    """Down a tree of pairs of centres, each time to the nearer one."""
    x = inputs.numbers(name_of(estimator))
    return _descend(estimator._bisecting_tree, x - np.asarray(estimator._X_mean))


def _descend(node: Any, x: Tensor) -> Tensor:
    if node.left is None:
        return x.graph.repeat(np.asarray(float(node.label))).cast(np.int64)
    centres = np.vstack([node.left.center, node.right.center])
    norms: Array = (centres * centres).sum(axis=1)
    side = (x @ (centres.T * -2.0) + norms).argmin()
    return side.equals(np.array(0)).where(_descend(node.left, x), _descend(node.right, x))


@transformer("KMeans", "MiniBatchKMeans", "BisectingKMeans", "Birch")
def centre_distances(estimator: Any, inputs: Columns) -> Columns:
    """How far each centre is."""
    centres = np.asarray(estimator.subcluster_centers_ if name_of(estimator) == "Birch" else estimator.cluster_centers_)
    x = inputs.numbers(name_of(estimator))
    return inputs.now(squared_distances(x, centres).apply("Sqrt"), len(centres))


@classifier("LabelPropagation", "LabelSpreading")
def propagated(estimator: Any, inputs: Columns) -> Classified:
    """The labels of the stored records, weighed by a kernel."""
    x = inputs.numbers(name_of(estimator))
    spread = np.asarray(estimator.label_distributions_)
    if estimator.kernel == "rbf":
        kernel = (squared_distances(x, estimator.X_) * -float(estimator.gamma)).apply("Exp")
        table = kernel @ spread
    elif estimator.kernel == "knn":
        raise _undecided(estimator)
    else:
        raise NotConvertible(name_of(estimator), "its kernel is a function of its own")
    table = table / table.total(keep=True)
    return Classified(table.argmax(), table)

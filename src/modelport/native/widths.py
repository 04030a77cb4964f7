"""How many inputs a model of an old release has, and what they are called: releases before 0.24 do not say so themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_COUNTS = ("n_features_in_", "n_features_", "_n_features", "n_input_features_", "_n_features_in")
_NAMES = ("feature_names_in_", "_feature_names_in", "_df_columns")
_ROWS = (
    *(
        "coef_",
        "coefs_paired_",
        "feature_log_prob_",
        "theta_",
        "cluster_centers_",
        "components_",
        "_fit_X",
        "centroids_",
    ),
    *("means_", "quantiles_transposed_", "support_vectors_", "X_fit_", "X_train_", "subcluster_centers_"),
    "location_",
)
"""Arrays with a column for each input."""
_TABLES = ("quantiles_", "X_")
"""The same where they have two dimensions; of others these names are lists of something else."""
_COLUMNS = (
    *("scale_", "mean_", "center_", "data_min_", "max_abs_", "statistics_", "categories_", "bin_edges_", "scores_"),
    *("variances_", "n_bins_", "lambdas_", "idf_"),
)
"""Lists with an element for each input."""
_INSIDE = ("best_estimator_", "regressor_", "estimator_", "base_estimator_", "_raw_estimator", "base_estimator")
_KEEPING = ("Normalizer", "Binarizer")
"""Steps that store nothing of their inputs and give as many columns as they get."""

DEEPEST = 20


def names_of(model: Any) -> list[str]:
    """The names of the columns that it was fitted with; empty where it has none."""
    found = _first(model, _own_names)
    return list(found or ())


def width_of(model: Any) -> int:
    """The number of its inputs; 0 where nothing in it tells."""
    return int(_first(model, _own_width) or 0)


def _first(model: Any, read: Callable[[Any], Any], depth: int = 0) -> Any:
    """What the model says itself, or the part that sees its inputs first."""
    found = read(model)
    if found:
        return found
    parts = _first_parts(model) if depth < DEEPEST else []
    return next((inner for part in parts if (inner := _first(part, read, depth + 1))), None)


def _first_parts(model: Any) -> list[Any]:
    steps = _attribute(model, "steps")
    if isinstance(steps, list):
        real = [step for _, step in steps if step is not None and not isinstance(step, str)]
        first = next((i for i, step in enumerate(real) if type(step).__name__ not in _KEEPING), 0)
        return real[: first + 1]
    union = _attribute(model, "transformer_list")
    if isinstance(union, list):
        return [part for _, part in union]
    members = _attribute(model, "estimators_")
    inside = [_attribute(model, name) for name in _INSIDE]
    listed = list(members.ravel() if hasattr(members, "ravel") else members)[:1] if members is not None else []
    calibrated = _attribute(model, "calibrated_classifiers_")
    return [part for part in (*listed, *inside, *(calibrated or [])[:1]) if part is not None]


def _own_names(model: Any) -> list[str]:
    for name in _NAMES:
        found = _attribute(model, name)
        if found is not None and not callable(found):
            return [str(each) for each in found]
    return []


def _own_width(model: Any) -> int:
    chosen = _attribute(model, "ranking_")  # of a selection, whose other numbers are those of what it selects
    if getattr(chosen, "ndim", 0) == 1:
        return len(chosen)
    weights: Any = getattr(
        _attribute(model, "x_weights_"), "shape", ()
    )  # of partial least squares, a row for each input
    if len(weights) == 2:
        return int(weights[0])
    sampled: Any = getattr(_attribute(model, "random_weights_"), "shape", ())  # of kernels that are sampled, likewise
    if len(sampled) == 2:
        return int(sampled[0])
    for name in _COUNTS:
        found = _attribute(model, name)
        if isinstance(found, int) or (hasattr(found, "dtype") and found.ndim == 0):
            return int(found)
    shape = _attribute(model, "shape_fit_")
    if isinstance(shape, tuple) and len(shape) == 2:
        return int(shape[1])
    layers = _attribute(model, "coefs_")
    if isinstance(layers, list) and layers:
        return int(layers[0].shape[0])
    return _width_of_arrays(model)


def _width_of_arrays(model: Any) -> int:
    for name in _ROWS:
        shape: Any = getattr(_attribute(model, name), "shape", ())
        if len(shape) in (1, 2) and shape[-1]:
            return int(shape[-1])
    for name in _TABLES:
        shape = getattr(_attribute(model, name), "shape", ())
        if len(shape) == 2:
            return int(shape[1])
    for name in _COLUMNS:
        found = _attribute(model, name)
        if isinstance(found, list) or getattr(found, "ndim", 0) == 1:
            return len(found)
    return 0


def _attribute(model: Any, name: str) -> Any:
    """Of those that are stored: properties of old models raise anything."""
    return getattr(model, "__dict__", {}).get(name)

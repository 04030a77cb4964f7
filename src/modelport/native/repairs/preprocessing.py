"""Imputers, encoders and transformers of columns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from modelport.errors import ArtifactError
from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.modules import RemainderColumns
from modelport.native.repairs.repair import renamed, repair


@repair(
    "SimpleImputer",
    saved="<0.22",
    reason="the first imputer, called Imputer, was replaced in 0.20 and is gone since 0.22",
)
def first_imputer(_: Any, state: Any) -> Any:
    """The same as its successor's: gaps were said as a word."""
    if "axis" not in state:
        return None
    if state["axis"] != 0:
        raise ArtifactError(
            "an Imputer with axis=1 fills rows, which no imputer does any more: it needs the release that saved it"
        )
    gaps = state["missing_values"]
    return {**state, "missing_values": np.nan if gaps == "NaN" else gaps, "add_indicator": False, "fill_value": None}


@repair(
    "SimpleImputer",
    saved="<1.8",
    reason="the types that were seen in training are read since 0.24 (`_fit_dtype`) and 1.8 (`_fill_dtype`)",
)
def imputer_types(_: Any, state: Any) -> Any:
    """The type of the values that were learned."""
    statistics = state.get("statistics_")
    if statistics is None:
        return None
    seen = state.get("_fit_dtype", statistics.dtype)
    return {**state, "_fit_dtype": seen, "_fill_dtype": state.get("_fill_dtype", seen)}


one_hot_sparse = renamed(
    "one-hot-sparse",
    "OneHotEncoder",
    saved="<1.4",
    reason="the parameter sparse is called sparse_output since 1.2",
    sparse="sparse_output",
)


@repair(
    "_BaseEncoder",
    saved="<1.3",
    reason="whether rare categories are grouped is asked since 1.1 (one-hot) and 1.3 (ordinal); they could not be before",
)
def encoder_without_rare_categories(_: Any, state: Any) -> Any:
    """They are not."""
    return None if "_infrequent_enabled" in state else {**state, "_infrequent_enabled": False}


@repair(
    "OneHotEncoder",
    saved="<1.2",
    reason="how many columns each category makes, and which are dropped, is computed in training since 1.1 and 1.2",
)
def one_hot_columns(_: Any, state: Any) -> Any:
    """Computed from the categories; rare ones could not be grouped where columns were not counted."""
    if "categories_" not in state or "_drop_idx_after_grouping" in state:
        return None
    dropped = state.get("drop_idx_")
    counts = [len(categories) for categories in state["categories_"]]
    kept = [count - (dropped is not None and dropped[i] is not None) for i, count in enumerate(counts)]
    known = state.get("_n_features_outs", kept)
    return {
        **state,
        "_drop_idx_after_grouping": dropped,
        "drop_idx_": dropped,
        "_n_features_outs": [int(n) for n in known],
    }


@repair("OrdinalEncoder", saved="<1.3", reason="gaps have a number of their own since 1.1; older encoders knew none")
def ordinal_gaps(_: Any, state: Any) -> Any:
    """None of the categories is a gap."""
    if "categories_" not in state or "_missing_indices" in state:
        return None
    gaps = {i: len(c) - 1 for i, c in enumerate(state["categories_"]) if len(c) and c[-1] != c[-1]}
    return {**state, "_missing_indices": gaps, "encoded_missing_value": state.get("encoded_missing_value", np.nan)}


@repair(
    "ColumnTransformer",
    saved="<1.8",
    reason="1.5 to 1.6 kept the remaining columns in a list that warned when it was read",
)
def remainder_columns(_: Any, state: Any) -> Any:
    """Plain lists."""
    changed: dict[str, Any] = {}
    for key in ("transformers_", "transformers"):
        entries = state.get(key) or ()
        if any(isinstance(entry[2], RemainderColumns) for entry in entries):
            changed[key] = [(name, part, _columns(columns)) for name, part, columns in entries]
    remainder = state.get("_remainder")
    if remainder and isinstance(remainder[2], RemainderColumns):
        changed["_remainder"] = (*remainder[:2], _columns(remainder[2]))
    return {**state, **changed} if changed else None


def _columns(columns: Any) -> Any:
    return list(columns.data) if isinstance(columns, RemainderColumns) else columns


@repair(
    "ColumnTransformer",
    saved="<1.4",
    reason="columns that pass as they are have a transformer since 1.4, before that a word",
)
def passing_columns(_: Any, state: Any) -> Any:
    """The transformer that stands for them today."""
    from sklearn.preprocessing import FunctionTransformer

    entries = state.get("transformers_")
    if not entries or not any(isinstance(part, str) and part == "passthrough" for _, part, _ in entries):
        return None
    known = state.get("_name_to_fitted_passthrough", {})
    plain = FunctionTransformer(accept_sparse=True, check_inverse=False, feature_names_out=None)
    passed = [
        (name, known.get(name, plain) if isinstance(part, str) and part == "passthrough" else part, columns)
        for name, part, columns in entries
    ]
    return {**state, "transformers_": passed}


class PlainNeighbours:
    """Takes all of the nearest rows alike, even those of which no distance is known."""

    def _calc_impute(self: Any, distances: Any, count: int, column: Any, gaps: Any) -> Any:
        from sklearn.neighbors._base import _get_weights

        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        weights = _get_weights(np.take_along_axis(distances, nearest, axis=1), self.weights)
        if weights is not None:
            weights[np.isnan(weights)] = 0.0
        values = np.ma.array(column.take(nearest), mask=gaps.take(nearest))
        return np.ma.average(values, axis=1, weights=weights).data


@repair(
    "KNNImputer",
    saved="<1.9",
    reason="rows whose distance is unknown have no weight any more; with uniform weights they had",
)
def neighbour_weights(thing: Any, state: Any) -> Any:
    """Keep it so."""
    if state.get("weights") != "uniform":
        return None
    keep_rules(thing, PlainNeighbours)
    return dict(state)


@repair("IterativeImputer", saved="<1.6", reason="which columns were empty in training is kept since 1.6")
def empty_columns(_: Any, state: Any) -> Any:
    """Those for which the first imputer has no value."""
    first = getattr(state.get("initial_imputer_"), "statistics_", None)
    if first is None or "_is_empty_feature" in state:
        return None
    return {**state, "_is_empty_feature": np.array([value != value for value in first], bool)}


@repair(
    "FunctionTransformer",
    saved="<1.8",
    installed=">=1.8",
    reason="a check that histogram boosting keeps for columns of categories has an argument of another name since 1.6",
)
def renamed_check(_: Any, state: Any) -> Any:
    """By its new name."""
    function = state.get("func")
    words = getattr(function, "keywords", None) or {}
    if "force_all_finite" not in words:
        return None
    given = {"ensure_all_finite" if name == "force_all_finite" else name: value for name, value in words.items()}
    return {**state, "func": partial(function.func, *function.args, **given)}


@repair("KernelPCA", saved="<1.3", reason="the width of the kernel is settled in training since 1.3")
def kernel_width(_: Any, state: Any) -> Any:
    """The one that was taken where none is said: one over the number of columns."""
    fitted = state.get("X_fit_")
    if fitted is None or "gamma_" in state:
        return None
    return {**state, "gamma_": 1 / fitted.shape[1] if state.get("gamma") is None else state["gamma"]}


@repair("KNNImputer", saved="<1.1", reason="which columns were empty in training is kept since 1.1")
def neighbour_columns(_: Any, state: Any) -> Any:
    """Those without any value."""
    mask = state.get("_mask_fit_X")
    return None if mask is None or "_valid_mask" in state else {**state, "_valid_mask": ~np.all(mask, axis=0)}


@repair("MissingIndicator", saved="<0.24", reason="whether it was told where the gaps are is kept since 0.24")
def indicator_not_told(_: Any, state: Any) -> Any:
    """It was not."""
    return None if "_precomputed" in state else {**state, "_precomputed": False}


@repair("IterativeImputer", saved="<0.23", reason="bounds are one for each column since 0.23, before that one for all")
def iterative_bounds(_: Any, state: Any) -> Any:
    """The same for each."""
    first = getattr(state.get("initial_imputer_"), "statistics_", None)
    if first is None:
        return None
    bounds = {
        name: np.full(len(first), state[name], float)
        for name in ("_min_value", "_max_value")
        if np.ndim(state.get(name)) == 0
    }
    return {**state, **bounds} if bounds else None


@repair(
    "PolynomialFeatures", saved="<1.0", reason="the least and the greatest degree are settled in training since 1.0"
)
def polynomial_degrees(_: Any, state: Any) -> Any:
    """From none to the one that was said."""
    if "n_input_features_" not in state and "_n_input_features" not in state:
        return None
    inputs = state.get("n_input_features_", state.get("_n_input_features"))
    outputs = state.get("n_output_features_")
    return {
        **state,
        "n_features_in_": inputs,
        "_min_degree": 0,
        "_max_degree": state["degree"],
        "_n_out_full": outputs,
    }


kernel_components = renamed(
    "kernel-components",
    "KernelPCA",
    saved="<1.0",
    reason="values and vectors of the kernel are called so since 1.0",
    lambdas_="eigenvalues_",
    alphas_="eigenvectors_",
)


@repair(
    "_BaseImputer",
    saved="<0.24",
    reason="the indicator of gaps inside an imputer is told where they are since 0.24, before that it looked itself",
)
def indicator_told(_: Any, state: Any) -> Any:
    """It is told."""
    indicator = state.get("indicator_")
    if indicator is None:
        return None
    indicator._precomputed = True
    return dict(state)


class InnerQuantiles:
    """Never quite 0 or 1."""

    def transform(self: Any, X: Any) -> Any:
        """The quantile of each value."""
        least = 1e-7 - np.spacing(1)
        found = super().transform(X)  # type: ignore[misc]
        if hasattr(found, "data") and not isinstance(found, np.ndarray):
            found.data = np.clip(found.data, least, 1 - least)
            return found
        return np.clip(found, least, 1 - least)


@repair("QuantileTransformer", saved="<0.21", reason="quantiles were kept 1e-7 from 0 and 1 until 0.20")
def inner_quantiles(thing: Any, state: Any) -> Any:
    """Keep them there."""
    if state.get("output_distribution") != "uniform":
        return None
    keep_rules(thing, InnerQuantiles)
    return dict(state)


class TolerantEdges:
    """Counts what lies a hair below an edge among those above it, as releases before 1.1 did."""

    def transform(self, X: Any) -> Any:
        """The bins of the columns."""
        given = np.asarray(X)
        values = given if given.dtype.kind == "f" else given.astype(float)
        return super().transform(values + (1e-8 + 1e-5 * np.abs(values)))  # type: ignore[misc]


@repair(
    "KBinsDiscretizer",
    saved="<1.1",
    reason="numbers up to a hundred-thousandth below the edge of a bin were counted above it until 1.0",
)
def tolerant_edges(thing: Any, state: Any) -> Any:
    """Keep them there."""
    keep_rules(thing, TolerantEdges)
    return dict(state)

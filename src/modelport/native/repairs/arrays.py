"""Arrays, distances and search trees in compiled code."""

from __future__ import annotations

from typing import Any

from modelport.native.repairs.repair import repair


@repair(
    "BinaryTree64", saved="<0.21", reason="search trees keep the weights of samples since 0.20; older ones had none"
)
def search_tree_weights(_: Any, state: Any) -> Any:
    """None."""
    return (*state, None) if isinstance(state, tuple) and len(state) == 12 else None


@repair("BSpline", saved="<9", reason="splines keep a function of SciPy beside their numbers since 1.16")
def spline_functions(_: Any, state: Any) -> Any:
    """What making the spline anew gives it."""
    from scipy.interpolate import BSpline

    if not isinstance(state, dict) or not {"t", "c", "k"} <= state.keys():
        return None
    return vars(
        BSpline(state["t"], state["c"], state["k"], state.get("extrapolate", True), state.get("axis", 0))
    ).copy()


@repair(
    "MinkowskiDistance64",
    saved="<1.1",
    reason="what was unused until 1.0 is read as a weight for each column, and is zero: all distances would be",
)
def distance_weights(_: Any, state: Any) -> Any:
    """None."""
    import numpy as np

    return (state[0], np.zeros(0), *state[2:])


@repair("NeighborsBase", saved="<0.22", reason="the number of rows is kept since 0.22")
def neighbour_count(_: Any, state: Any) -> Any:
    """That of the rows that are stored."""
    rows = state.get("_fit_X")
    return None if rows is None or "n_samples_fit_" in state else {**state, "n_samples_fit_": rows.shape[0]}


@repair("RadiusNeighborsClassifier", saved="<0.22", reason="the label of outliers is settled in training since 0.22")
def outlier_label(_: Any, state: Any) -> Any:
    """The one that was said."""
    return None if "outlier_label_" in state else {**state, "outlier_label_": _listed(state.get("outlier_label"))}


def _listed(label: Any) -> Any:
    return None if label is None else [label]

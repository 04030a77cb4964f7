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

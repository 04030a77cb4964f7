"""Arrays, distances and search trees in compiled code."""

from __future__ import annotations

from typing import Any

from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.linear import LabelsAlone
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


class VotesAlone(LabelsAlone):
    """Tells the class that most rows within the radius have, and no probabilities."""

    def predict(self: Any, X: Any) -> Any:
        """As the installed class does, which asks itself for the probabilities that are not told."""
        from sklearn.neighbors import RadiusNeighborsClassifier

        own = RadiusNeighborsClassifier.__new__(RadiusNeighborsClassifier)
        vars(own).update(vars(self))
        return own.predict(X)


@repair(
    "RadiusNeighborsClassifier",
    saved="<0.22",
    reason="the label of outliers is settled in training since 0.22, and probabilities are told since; before that there were none",
)
def outlier_label(thing: Any, state: Any) -> Any:
    """The one that was said, for each output; and labels alone."""
    if "classes_" not in state or "outlier_label_" in state:
        return None
    keep_rules(thing, VotesAlone)
    return {**state, "outlier_label_": _for_each_output(state.get("outlier_label"), state["classes_"])}


def _for_each_output(label: Any, classes: Any) -> Any:
    if label is None or (hasattr(label, "__len__") and not isinstance(label, str)):
        return label
    return [label] * (len(classes) if isinstance(classes, list) else 1)

"""Decision trees and what is made of them: layout of nodes, leaves, gaps."""

from __future__ import annotations

from types import MethodType
from typing import Any

import numpy as np

from modelport.errors import ArtifactError
from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.repair import Repair, repair, within


@repair(
    "Tree",
    saved="<1.3",
    reason="nodes have a further field since 1.3, the side of missing values; older trees were trained without any",
)
def tree_node_layout(_: Any, state: Any) -> Any:
    """Nodes in the installed layout; fields that older ones lack are zero."""
    from sklearn.tree import _tree

    wanted, nodes = _tree.NODE_DTYPE, state["nodes"]
    if nodes.dtype == wanted:
        return None
    made = np.zeros(nodes.shape, wanted)
    for field in set(nodes.dtype.names) & set(wanted.names):
        made[field] = nodes[field]
    return {**state, "nodes": made}


@repair(
    "DecisionTreeClassifier",
    saved="<1.4",
    reason="leaves hold shares of classes since 1.4, before that counts, which predict_proba divided by their sum",
)
def tree_leaf_shares(_: Any, state: Any) -> Any:
    """Each leaf's counts over their sum, the division that older releases did for every call."""
    values = getattr(state.get("tree_"), "value", None)
    if values is None:
        return None
    totals = values.sum(axis=2, keepdims=True)
    totals[totals == 0] = 1
    shares = values / totals
    if (shares.argmax(axis=2) != values.argmax(axis=2)).any():
        raise ArtifactError(
            "a leaf of a tree holds counts so close that their shares tie: it needs the release that saved it"
        )
    values[...] = shares
    return dict(state)


_REFUSED = "rows with gaps were refused by the release that saved it; today they are answered, though training saw none"


def _refuse_gaps(thing: Any, state: Any) -> Any:
    inside = state.get("estimators_", ()) if isinstance(state.get("estimators_", ()), list) else ()
    for part in (thing, *inside):
        part.__sklearn_tags__ = MethodType(tags_without_gaps, part)
    return dict(state)


def tags_without_gaps(self: Any) -> Any:
    """Stands for the method that tells what a tree or forest takes."""
    tags = type(self).__sklearn_tags__(self)
    tags.input_tags.allow_nan = False
    return tags


gaps_refused_by_trees = Repair("gaps-refused-by-trees", ("BaseDecisionTree",), "<1.3", ">=1.4", _REFUSED, _refuse_gaps)
gaps_refused_by_forests = Repair("gaps-refused-by-forests", ("BaseForest",), "<1.4", ">=1.4", _REFUSED, _refuse_gaps)


@repair(
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "ForestClassifier",
    "ForestRegressor",
    saved=">=1.3,<1.6",
    reason=_REFUSED,
)
def gaps_refused_by_random_splits(thing: Any, state: Any) -> Any:
    """Those that split at random came later."""
    random = type(thing).__name__.startswith("Extra")
    return _refuse_gaps(thing, state) if random else None


class Gapless:
    """Refuses rows with gaps, which the trees inside would answer."""

    def score_samples(self: Any, X: Any) -> Any:
        """One score per row of X."""
        from sklearn.utils import check_array

        check_array(X, accept_sparse=True, dtype=np.float32)
        return super().score_samples(X)  # type: ignore[misc]


@repair("IsolationForest", saved="<1.6", reason=_REFUSED)
def gaps_refused_by_isolation(thing: Any, state: Any) -> Any:
    """Refuse them."""
    keep_rules(thing, Gapless)
    return dict(state)


@repair(
    "IsolationForest",
    saved="<1.6",
    reason="depths of leaves are kept since 1.3, before that they were computed from the trees for every call",
)
def isolation_depths(_: Any, state: Any) -> Any:
    """The depths and average path lengths of each tree, by the functions that training uses today."""
    if "_decision_path_lengths" in state or "estimators_" not in state:
        return None
    from sklearn.ensemble._iforest import _average_path_length

    trees = [estimator.tree_ for estimator in state["estimators_"]]
    lengths = _former_path_length if within(state.get("_sklearn_version", ""), "<0.21") else _average_path_length
    return {
        **state,
        "_average_path_length_per_tree": tuple(lengths(tree.n_node_samples) for tree in trees),
        "_decision_path_lengths": tuple(tree.compute_node_depths() for tree in trees),
    }


def _former_path_length(counts: Any) -> Any:
    """How deep a further search would go in leaves: at least one step until 0.20, where today a single row ends it."""
    many = np.maximum(counts, 2)
    depths = 2 * (np.log(many - 1.0) + np.euler_gamma) - 2 * (many - 1.0) / many
    return np.where(counts <= 1, 1.0, depths)


class Threshold:
    """Outliers by a threshold of their own, as isolation forests of 0.21 and older had it unless told otherwise."""

    def predict(self: Any, X: Any) -> Any:
        """1 or -1 for each row of X."""
        return np.where(self.decision_function(X) < self._threshold_, -1, 1)


class InclusiveThreshold:
    """The same until 0.19, which counted the threshold itself as an outlier."""

    def predict(self: Any, X: Any) -> Any:
        """1 or -1 for each row of X."""
        return np.where(self.decision_function(X) <= self._threshold_, -1, 1)


@repair(
    "IsolationForest", saved="<0.22", reason="outliers were told by a threshold until 0.21, and are by an offset since"
)
def isolation_threshold(thing: Any, state: Any) -> Any:
    """Keep it so, unless `behaviour="new"` was said."""
    threshold = state.get("_threshold_", state.get("threshold_"))
    kept = {**state, "_max_samples": state.get("max_samples_")}
    if threshold is None or state.get("behaviour") == "new":
        return kept
    keep_rules(thing, Threshold if "_threshold_" in state else InclusiveThreshold)
    return {**kept, "_threshold_": threshold, "offset_": -0.5}


@repair("SelectorMixin", saved="<0.22", reason=_REFUSED)
def gaps_refused_by_selectors(thing: Any, state: Any) -> Any:
    """Those that select columns, too: gaps in columns that are left out were refused."""
    return _refuse_gaps(thing, state)

"""Trees of any library as one operator that tells which leaf a record falls into. What a leaf is worth is looked up in float64.

Operators that add up leaf values do so in an order and a precision of their own, which moves probabilities in their last
digits and breaks ties of votes the other way. A leaf's number is exact, and the sum is then ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.compilation.graph import Array, NotConvertible, Tensor

LEQ, LESS, MEMBER = 0, 1, 6
"""How a node decides: the value is at most the threshold, below it, or in a set; numbered as opset 5 of ai.onnx.ml does."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The nodes of one tree, in arrays. `left` is taken where the comparison holds; -1 there marks a leaf.

    `members` lists, for nodes of mode MEMBER, the values that go left.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    gaps_left: Array
    mode: Array
    members: dict[int, tuple[float, ...]]

    @property
    def leaves(self) -> Array:
        """The nodes that are leaves, in their order."""
        return np.flatnonzero(self.left < 0)


def plain_tree(feature: Array, threshold: Array, left: Array, right: Array, gaps_left: Array, mode: int = LEQ) -> Tree:
    """A tree whose nodes all compare in the same way."""
    modes = np.full(len(left), mode, dtype=np.uint8)
    return Tree(feature, np.asarray(threshold, dtype=np.float64), left, right, gaps_left, modes, {})


def leaf_numbers(x: Tensor, trees: Sequence[Tree]) -> Tensor:
    """For each record and tree the number of the leaf, counted through all trees; a matrix of whole numbers."""
    if not trees:
        raise NotConvertible("an ensemble", "has no trees")
    for tree in trees:
        inner = (tree.left >= 0) & (tree.mode != MEMBER)
        x.graph.note_splits(x, tree.feature[inner], tree.threshold[inner])
    x, trees = _without_sets(x, trees)
    layout = _Layout()
    for tree in trees:
        layout.add(tree)
    scores: Tensor = x.graph.op("TreeEnsemble", x, domain="ai.onnx.ml", **layout.attributes())
    return scores.cast(np.int64)


def _without_sets(x: Tensor, trees: Sequence[Tree]) -> tuple[Tensor, list[Tree]]:
    """Splits by sets of categories as splits by number, on columns that are put before the others: 0 for a member, 1 for any
    other value, NaN for a gap. ONNX Runtime refuses some trees with sets that it should run.
    """
    sets = dict.fromkeys((int(t.feature[n]), m) for t in trees for n, m in t.members.items())
    if not sets:
        return x, list(trees)
    ordered = sorted(sets)
    place = {key: i for i, key in enumerate(ordered)}
    columns = [
        _memberships(x.column(f), [m for g, m in ordered if g == f]) for f in dict.fromkeys(f for f, _ in ordered)
    ]
    return x.graph.concat([*columns, x]), [_by_number(t, place) for t in trees]


def _memberships(x: Tensor, sets: Sequence[tuple[float, ...]]) -> Tensor:
    """For one column: a column for each set."""
    most = int(max((max(s) for s in sets if s), default=0))
    table = np.ones((most + 3, len(sets)))
    for k, members in enumerate(sets):
        table[np.array(members, dtype=np.int64), k] = 0.0
    table[most + 2] = np.nan
    known = (x >= 0.0).where(
        (x <= float(most)).where(x.equals(x.apply("Floor")).where(x, most + 1.0), most + 1.0), most + 1.0
    )
    return x.graph.constant(table).gather(x.is_nan().where(most + 2.0, known).cast(np.int64))


def _by_number(tree: Tree, place: dict[tuple[int, tuple[float, ...]], int]) -> Tree:
    feature, threshold, mode = tree.feature.astype(np.int64) + len(place), tree.threshold.copy(), tree.mode.copy()
    for node, members in tree.members.items():
        feature[node] = place[int(tree.feature[node]), members]
        threshold[node], mode[node] = 0.5, LEQ
    return Tree(feature, threshold, tree.left, tree.right, tree.gaps_left, mode, {})


def tree_values(x: Tensor, trees: Sequence[Tree], values: Sequence[Array]) -> Tensor:
    """What each tree answers: records by trees by outputs. `values` are tables by node, one for each tree."""
    table = np.concatenate([v[tree.leaves] for tree, v in zip(trees, values, strict=True)])
    return x.graph.constant(table).gather(leaf_numbers(x, trees))


class _Layout:
    """Gathers the attributes of the operator."""

    def __init__(self) -> None:
        self._nodes: dict[str, list[Array]] = {}
        self._roots: list[int] = []
        self._targets: list[Array] = []
        self._node_count = self._leaf_count = 0

    def add(self, tree: Tree) -> None:
        """One more tree; a lone leaf becomes a node with the same leaf on both sides."""
        inner = np.flatnonzero(tree.left >= 0)
        number = np.empty(len(tree.left), dtype=np.int64)
        number[inner] = self._node_count + np.arange(len(inner))
        number[tree.leaves] = self._leaf_count + np.arange(len(tree.leaves))
        self._roots.append(self._node_count)
        self._targets.append(np.full(len(tree.leaves), len(self._targets), dtype=np.int64))
        if len(inner):
            left, right = tree.left[inner], tree.right[inner]
            self._put(tree, inner, number[left], number[right], tree.left[left] < 0, tree.left[right] < 0)
        else:
            lone = np.zeros(1, dtype=np.int64)
            self._put(tree, lone, number[:1], number[:1], lone == 0, lone == 0)
        self._node_count += max(1, len(inner))
        self._leaf_count += len(tree.leaves)

    def _put(self, tree: Tree, inner: Array, *sides: Array) -> None:
        lone = tree.left[inner[0]] < 0
        columns = {
            "featureids": np.zeros(1) if lone else tree.feature[inner],
            "splits": np.zeros(1) if lone else tree.threshold[inner],
            "modes": np.zeros(1) if lone else tree.mode[inner],
            "missing_value_tracks_true": np.zeros(1) if lone else tree.gaps_left[inner],
            **dict(zip(("truenodeids", "falsenodeids", "trueleafs", "falseleafs"), sides, strict=True)),
        }
        for name, column in columns.items():
            self._nodes.setdefault(name, []).append(np.asarray(column))

    def attributes(self) -> dict[str, Any]:
        """Of the operator `TreeEnsemble`."""
        from onnx import numpy_helper

        nodes = {name: np.concatenate(parts) for name, parts in self._nodes.items()}
        whole = {f"nodes_{k}": v.astype(np.int64).tolist() for k, v in nodes.items() if k not in ("splits", "modes")}
        weights = np.arange(self._leaf_count, dtype=np.float64)
        return {
            **whole,
            "nodes_splits": numpy_helper.from_array(nodes["splits"].astype(np.float64), "splits"),
            "nodes_modes": numpy_helper.from_array(nodes["modes"].astype(np.uint8), "modes"),
            "tree_roots": self._roots,
            "leaf_targetids": np.concatenate(self._targets).tolist(),
            "leaf_weights": numpy_helper.from_array(weights, "weights"),
            "n_targets": len(self._targets),
            "aggregate_function": 1,
            "post_transform": 0,
        }

"""A single decision tree in ONNX form, run as nested comparisons instead of a session call.

A session costs 5 µs a call when its code is in the cache and 15 µs when it is not, as for a lone request; walking one tree
costs a tenth of that. Only the way to the leaf is ours: what a leaf answers is what ONNX Runtime answered for a row that
reaches it. And it is used only if both agree, bit by bit, on rows on both sides of every threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.onnx_wire import Node, open_graph
from modelport.kernel.values import Record

OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
ATTRIBUTES = (
    "featureids",
    "falsenodeids",
    "missing_value_tracks_true",
    "modes",
    "nodeids",
    "treeids",
    "truenodeids",
    "values",
)
MAX_LEAVES = 4096
MAX_BYTES = MAX_LEAVES * 2 * 12  # of the list of modes: so many nodes are not even read
MAX_DEPTH = 60  # the compiler nests at most 100 blocks
RANDOM_ROWS = 2048

Rows = np.ndarray[Any, Any]
Predict = Callable[[Rows], list[Any]]
"""ONNX Runtime's answers to the rows of a float32 array."""


@dataclass(frozen=True, slots=True)
class Split:
    """One inner node: `record[feature] <= threshold` goes left."""

    feature: int
    threshold: float
    left: Split | int
    right: Split | int


Tree = Split | int
"""An inner node, or the number of a leaf."""


def compile_tree(path: Path, width: int, predict: Predict) -> Callable[[Sequence[Record]], list[Any]] | None:
    """A function from records to answers, or None where the model is no single tree or the two disagree anywhere."""
    try:
        with open_graph(path) as graph:
            tree = _read_tree(graph.nodes)
    except ValueError:
        return None
    if tree is None or isinstance(tree, int):
        return None
    leaf_rows = _rows_of_leaves(tree, width)
    answers = predict(np.array(leaf_rows, dtype=np.float32))
    leaf_of = _compile(tree)
    rows = [*leaf_rows, *_rows_at_thresholds(tree, leaf_rows), *_random_rows(tree, width)]
    expected = predict(np.array(rows, dtype=np.float32))
    if any(answers[leaf_of(row)] != answer for row, answer in zip(rows, expected, strict=True)):
        return None
    return lambda records: [answers[leaf_of(record)] for record in records]


# -- reading -------------------------------------------------------------------------------------------------------


def _read_tree(nodes: Sequence[Node]) -> Tree | None:
    if len(nodes) != 1 or nodes[0].op not in OPERATORS or nodes[0].attribute_bytes("nodes_modes") > MAX_BYTES:
        return None
    a = {name: nodes[0].attribute(f"nodes_{name}") or [] for name in ATTRIBUTES}
    modes, ids = a["modes"], a["nodeids"]
    single = len(set(a["treeids"])) == 1 and len(set(ids)) == len(ids) == len(modes)
    known = set(modes) <= {"BRANCH_LEQ", "LEAF"} and modes.count("LEAF") <= MAX_LEAVES
    if not single or not known or any(a["missing_value_tracks_true"]):
        return None
    position = {node: i for i, node in enumerate(ids)}
    leaves = {node: i for i, node in enumerate(n for n, mode in zip(ids, modes, strict=True) if mode == "LEAF")}

    def build(node: int, depth: int) -> Tree:
        if node in leaves:
            return leaves[node]
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        i = position[node]
        left, right = a["truenodeids"][i], a["falsenodeids"][i]
        return Split(a["featureids"][i], a["values"][i], build(left, depth + 1), build(right, depth + 1))

    try:
        return build(ids[0], 0)
    except (KeyError, IndexError, ValueError):
        return None


# -- compiling -----------------------------------------------------------------------------------------------------


def _compile(tree: Split) -> Callable[[Record], int]:
    """Nested `if`s over the record's values. Only numbers of ours are written into the source."""
    features = sorted(_features(tree))
    unpack = [f"    x{f} = record[{f}]" for f in features]
    source = "\n".join(["def leaf_of(record):", *unpack, *_lines(tree, "    ")])
    scope: dict[str, Any] = {}
    exec(compile(source, "<tree>", "exec"), scope)
    leaf_of: Callable[[Record], int] = scope["leaf_of"]
    return leaf_of


def _lines(tree: Tree, indent: str) -> list[str]:
    if isinstance(tree, int):
        return [f"{indent}return {tree}"]
    test = f"{indent}if x{tree.feature} <= {_as_double(tree.threshold)!r}:"
    return [test, *_lines(tree.left, indent + " "), *_lines(tree.right, indent)]


def _as_double(threshold: float) -> float:
    """The greatest double that becomes at most this float32 when it is rounded to one, as the session rounds its inputs."""
    here = np.float32(threshold)
    above = np.nextafter(here, np.float32(np.inf))
    if not math.isfinite(float(above)):
        return float(here)
    middle = (float(here) + float(above)) / 2  # exact in double; a tie goes to the even mantissa
    return middle if np.float32(middle) == here else math.nextafter(middle, -math.inf)


def _features(tree: Tree) -> set[int]:
    return set() if isinstance(tree, int) else {tree.feature} | _features(tree.left) | _features(tree.right)


# -- rows to compare on --------------------------------------------------------------------------------------------


def _splits(tree: Tree) -> list[Split]:
    return [] if isinstance(tree, int) else [tree, *_splits(tree.left), *_splits(tree.right)]


def _rows_of_leaves(tree: Split, width: int) -> list[Record]:
    """One row for each leaf, in the leaves' order."""
    found: dict[int, Record] = {}

    def walk(node: Tree, row: list[float]) -> None:
        if isinstance(node, int):
            found[node] = tuple(row)
            return
        above = float(np.nextafter(np.float32(node.threshold), np.float32(np.inf)))
        here = row[node.feature]
        walk(node.left, _with(row, node.feature, min(here, float(np.float32(node.threshold)))))
        walk(node.right, _with(row, node.feature, max(here, above)))

    walk(tree, [0.0] * width)
    return [found[i] for i in sorted(found)]


def _with(row: Sequence[float], feature: int, value: float) -> list[float]:
    return [*row[:feature], value, *row[feature + 1 :]]


def _rows_at_thresholds(tree: Split, leaf_rows: Sequence[Record]) -> list[Record]:
    """For each split: its threshold, the doubles around the rounding boundary, and the next float32, in other rows."""
    rows: list[Record] = []
    for i, split in enumerate(_splits(tree)):
        edge = _as_double(split.threshold)
        above = float(np.nextafter(np.float32(split.threshold), np.float32(np.inf)))
        for value in (float(np.float32(split.threshold)), edge, math.nextafter(edge, math.inf), above):
            for row in (leaf_rows[i % len(leaf_rows)], leaf_rows[_first_leaf(split.left)]):
                rows.append(tuple(_with(row, split.feature, value)))  # noqa: PERF401  four loops in one expression
    return rows


def _first_leaf(tree: Tree) -> int:
    return tree if isinstance(tree, int) else _first_leaf(tree.left)


def _random_rows(tree: Split, width: int) -> list[Record]:
    """Rows drawn over the range of each feature's thresholds, and somewhat beyond."""
    random = np.random.default_rng(0)
    thresholds: dict[int, list[float]] = {}
    for split in _splits(tree):
        thresholds.setdefault(split.feature, []).append(split.threshold)
    columns = []
    for feature in range(width):
        values = thresholds.get(feature, [0.0])
        margin = max(values) - min(values) or abs(values[0]) or 1.0
        columns.append(random.uniform(min(values) - margin, max(values) + margin, RANDOM_ROWS))
    return [tuple(row) for row in np.column_stack(columns).tolist()]

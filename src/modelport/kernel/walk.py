"""A single decision tree as nested comparisons in Python, for runtimes whose call costs more than the way to a leaf.

Only the way is ours: what a leaf answers is what the runtime answered for a row that reaches it. And the walk is used only if both
agree, answer by answer, on rows on both sides of every threshold.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelport.kernel.values import Record

MAX_LEAVES = 4096
MAX_DEPTH = 60  # the compiler nests at most 100 blocks
SPREAD_ROWS = 2048

Predict = Callable[[list[Record]], list[Any]]
"""The runtime's answers."""


@dataclass(frozen=True, slots=True)
class Split:
    """One inner node: a value, rounded to float32, of at most the threshold goes left. The threshold is a float32."""

    feature: int
    threshold: float
    left: Split | int
    right: Split | int


Tree = Split | int
"""An inner node, or the number of a leaf."""


def walk_tree(tree: Tree, width: int, predict: Predict) -> Callable[[Sequence[Record]], list[Any]] | None:
    """A function from records to answers, or None where the tree is a lone leaf or the two disagree anywhere."""
    if isinstance(tree, int):
        return None
    leaf_rows = _rows_of_leaves(tree, width)
    answers = predict(leaf_rows)
    leaf_of = _compile(tree)
    rows = [*leaf_rows, *_rows_at_thresholds(tree, leaf_rows), *_spread_rows(tree, width)]
    if any(answers[leaf_of(row)] != answer for row, answer in zip(rows, predict(rows), strict=True)):
        return None
    return lambda records: [answers[leaf_of(record)] for record in records]


def build_tree(
    features: Sequence[int], thresholds: Sequence[float], lefts: Sequence[int], rights: Sequence[int]
) -> Tree | None:
    """From arrays over the nodes, the root first; a leaf's `left` is negative. None for a tree too large to be walked."""
    leaves = {node: number for number, node in enumerate(n for n, left in enumerate(lefts) if left < 0)}
    if len(leaves) > MAX_LEAVES:
        return None

    def build(node: int, depth: int) -> Tree:
        if node in leaves:
            return leaves[node]
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        if not math.isfinite(thresholds[node]):  # splits gaps from all numbers, in trees that were trained on gaps
            raise ValueError("no number")
        left, right = build(lefts[node], depth + 1), build(rights[node], depth + 1)
        return Split(features[node], floor_single(thresholds[node]), left, right)

    try:
        return build(0, 0)
    except (IndexError, ValueError):
        return None


# -- float32 without arrays ----------------------------------------------------------------------------------------


def single(value: float) -> float:
    """Rounded to float32, as a runtime rounds its inputs; infinite beyond its range."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


def next_single(value: float) -> float:
    """The next greater float32."""
    if value == 0.0:
        return 2.0**-149
    (bits,) = struct.unpack("<i", struct.pack("<f", value))
    above: float = struct.unpack("<f", struct.pack("<i", bits + 1 if value > 0 else bits - 1))[0]
    return above


def floor_single(value: float) -> float:
    """The greatest float32 of at most this value: for every float32 x, x <= value means the same as x <= this."""
    rounded = single(value)
    if rounded <= value:
        return rounded
    return -next_single(-rounded) if math.isfinite(rounded) else 3.4028234663852886e38


def _as_double(threshold: float) -> float:
    """The greatest double that becomes at most this float32 when it is rounded to one."""
    above = next_single(threshold)
    if not math.isfinite(above):
        return threshold
    middle = (threshold + above) / 2  # exact in double; a tie goes to the even mantissa
    return middle if single(middle) == threshold else math.nextafter(middle, -math.inf)


# -- compiling -----------------------------------------------------------------------------------------------------


def _compile(tree: Split) -> Callable[[Record], int]:
    """Nested `if`s over the record's values. Only numbers of ours are written into the source."""
    features = sorted({split.feature for split in _splits(tree)})
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
        here = row[node.feature]
        walk(node.left, _with(row, node.feature, min(here, node.threshold)))
        walk(node.right, _with(row, node.feature, max(here, next_single(node.threshold))))

    walk(tree, [0.0] * width)
    return [found[i] for i in sorted(found)]


def _with(row: Sequence[float], feature: int, value: float) -> list[float]:
    return [*row[:feature], value, *row[feature + 1 :]]


def _rows_at_thresholds(tree: Split, leaf_rows: Sequence[Record]) -> list[Record]:
    """For each split: its threshold, the doubles around the rounding boundary, and the next float32, in other rows."""
    rows: list[Record] = []
    for i, split in enumerate(_splits(tree)):
        edge = _as_double(split.threshold)
        for value in (split.threshold, edge, math.nextafter(edge, math.inf), next_single(split.threshold)):
            for row in (leaf_rows[i % len(leaf_rows)], leaf_rows[_first_leaf(split.left)]):
                rows.append(tuple(_with(row, split.feature, value)))  # noqa: PERF401  four loops in one expression
    return rows


def _first_leaf(tree: Tree) -> int:
    return tree if isinstance(tree, int) else _first_leaf(tree.left)


def _spread_rows(tree: Split, width: int) -> list[Record]:
    """Rows spread over the range of each feature's thresholds and somewhat beyond, by multiples of irrational numbers."""
    thresholds: dict[int, list[float]] = {}
    for split in _splits(tree):
        thresholds.setdefault(split.feature, []).append(split.threshold)
    columns = []
    for feature in range(width):
        values = thresholds.get(feature, [0.0])
        margin = max(values) - min(values) or abs(values[0]) or 1.0
        low, high = min(values) - margin, max(values) + margin
        step = math.sqrt(
            feature * feature + 2
        )  # never a whole number, so its multiples are spread evenly over the unit
        columns.append([low + (high - low) * (i * step % 1.0) for i in range(1, SPREAD_ROWS + 1)])
    return list(zip(*columns, strict=True))

"""Walking a tree: float32 without arrays, and the same leaf as comparing in float32."""

from __future__ import annotations

import math
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelport.kernel.walk import build_tree, floor_single, next_single, single, walk_tree

doubles = st.floats(-1e38, 1e38)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 1e38)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_is_that_of_arrays(value: float) -> None:
    with np.errstate(over="ignore"):
        assert single(value) == float(np.float32(value))


@given(singles)
def test_the_next_number_is_that_of_arrays(value: float) -> None:
    assert next_single(value) == float(np.nextafter(np.float32(value), np.float32(np.inf)))


@given(doubles, singles)
def test_the_floor_of_a_threshold_decides_alike_for_every_single(threshold: float, value: float) -> None:
    floor = floor_single(threshold)
    assert floor == struct.unpack("<f", struct.pack("<f", floor))[0]
    assert (value <= threshold) == (value <= floor)


@given(st.lists(doubles, min_size=3, max_size=3), st.lists(st.tuples(doubles, doubles), min_size=1, max_size=20))
def test_a_walk_reaches_the_leaf_that_comparing_in_float32_reaches(
    cuts: list[float], rows: list[tuple[float, float]]
) -> None:
    tree = build_tree(
        [0, 1, 0, 0, 0, 0, 0], [cuts[0], cuts[1], cuts[2], 0, 0, 0, 0], [1, 3, 5, -1, -1, -1, -1], [2, 4, 6, 0, 0, 0, 0]
    )
    assert tree is not None

    def predict(records: list[tuple[float, float]]) -> list[str]:
        return [_leaf(cuts, float(np.float32(a)), float(np.float32(b))) for a, b in records]

    walk = walk_tree(tree, 2, predict)
    assert walk is not None
    edges = [(c, c) for c in cuts] + [(math.nextafter(c, math.inf), math.nextafter(c, -math.inf)) for c in cuts]
    assert walk([*rows, *edges]) == predict([*rows, *edges])


def _leaf(cuts: list[float], a: float, b: float) -> str:
    if a <= cuts[0]:
        return "left left" if b <= cuts[1] else "left right"
    return "right left" if a <= cuts[2] else "right right"


def test_a_tree_that_its_runtime_decides_otherwise_is_not_walked() -> None:
    tree = build_tree([0, 0, 0], [1.0, 0, 0], [1, -1, -1], [2, 0, 0])
    assert tree is not None
    assert walk_tree(tree, 1, lambda records: [single(r[0]) <= 1.0 for r in records]) is not None
    assert walk_tree(tree, 1, lambda records: [single(r[0]) < 1.0 for r in records]) is None


def test_what_is_no_tree_or_too_deep_is_not_built() -> None:
    deep = 100
    lefts = [i + 1 if i < deep else -1 for i in range(deep + 1)]
    assert build_tree([0] * (deep + 1), [0.0] * (deep + 1), lefts, lefts) is None
    assert build_tree([0], [0.0], [5], [6]) is None
    lone = build_tree([0], [0.0], [-1], [0])
    assert lone == 0
    assert walk_tree(lone, 1, lambda records: [0] * len(records)) is None

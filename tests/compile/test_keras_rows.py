"""The comparison of a converted network with its original passes what reckons alike, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from modelport.compilation.keras.rows import Array, Spec, compare, draw

TABLE = [Spec("row", (None, 4), "float32")]
WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
Answers = Mapping[str, Array]


def network(arrays: Sequence[Array]) -> Answers:
    """Scores, in 32 bits."""
    return {"scores": np.tanh(arrays[0] @ WEIGHTS)}


def test_what_reckons_in_another_order_agrees() -> None:
    found = compare(network, lambda a: {"scores": np.tanh((a[0] * 2.0) @ (WEIGHTS / 2.0))}, TABLE)
    assert (found.mismatch, found.rows, found.refused) == ("", 96, 0)
    assert found.worst < 1e-6


@pytest.mark.parametrize(
    "other",
    [
        lambda a: {"scores": np.tanh(a[0] @ WEIGHTS) + 2e-5},
        lambda a: {"scores": np.where(np.abs(a[0]).max() > 50, 0, np.tanh(a[0] @ WEIGHTS))},
        lambda a: {"scores": np.tanh(a[0] @ WEIGHTS) * (1 if len(a[0]) > 1 else 0.5)},
        lambda a: {"scores": np.tanh(a[0] @ WEIGHTS)[:, ::-1]},
        lambda a: {"scores": np.full((len(a[0]), 3), np.nan, np.float32)},
        lambda a: {"scores": np.tanh(a[0] @ WEIGHTS)[:, :2]},
        lambda a: {"other": np.tanh(a[0] @ WEIGHTS)},
        lambda a: {"scores": 1 / 0},
    ],
    ids=["shifted", "at one scale", "alone", "swapped", "no numbers", "fewer", "renamed", "failing"],
)
def test_what_answers_otherwise_is_told(other: Callable[[Sequence[Array]], Any]) -> None:
    assert compare(network, other, TABLE).mismatch


def test_labels_are_equal_or_not() -> None:
    def label(arrays: Sequence[Array], cut: float = 0.0) -> Answers:
        return {"label": np.where(arrays[0][:, 0] > cut, "yes", "no").astype(object)}

    assert not compare(label, label, TABLE).mismatch
    assert compare(label, lambda a: label(a, 0.2), TABLE).mismatch


def test_rows_that_the_original_refuses_are_left_out_and_counted() -> None:
    def embed(arrays: Sequence[Array]) -> Answers:
        return {"vector": WEIGHTS[arrays[0]]}  # there are four

    found = compare(embed, embed, [Spec("word", (None, 2), "int32")])
    assert found.rows > 0
    assert found.refused > 0


def test_where_the_original_answers_nothing_nothing_is_shown() -> None:
    def refuse(_: Sequence[Array]) -> Answers:
        raise ValueError

    assert compare(refuse, refuse, TABLE).rows == 0


def test_free_axes_grow_until_the_original_answers() -> None:
    def long(arrays: Sequence[Array]) -> Answers:
        if arrays[0].shape[1] < 20:
            raise ValueError("too short")
        return {"sum": arrays[0].sum(axis=1)}

    assert compare(long, long, [Spec("wave", (None, None), "float32")]).rows == 96


def test_every_type_is_drawn_in_its_shape_the_same_each_time() -> None:
    specs = [
        Spec("image", (None, 2, None), "float16"),
        Spec("words", (None, 3), "object"),
        Spec("byte", (None, 1), "uint8"),
        Spec("flag", (None,), "bool"),
    ]
    first, again = ([arrays for _, arrays in draw(specs, 5)] for _ in range(2))
    for arrays, same in zip(first, again, strict=True):
        assert [a.shape for a in arrays] == [(16, 2, 5), (16, 3), (16, 1), (16,)]
        assert [a.dtype for a in arrays] == ["float16", "object", "uint8", "bool"]
        assert all(np.array_equal(a, b) for a, b in zip(arrays, same, strict=True))

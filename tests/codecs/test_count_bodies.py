"""How many bodies a body holds, without reading them."""

from __future__ import annotations

import math

import pytest

from modelport.codecs.answers import encode_answer
from modelport.codecs.json import count_bodies, encode


@pytest.mark.parametrize(
    ("body", "list_depth", "count"),
    [
        (b'{"x": [1, 2]}', 0, 1),
        (b' \n[{"x": [1, 2]}, {"x": "],["}]', 0, 2),
        (b"[1, 2, 3]", 0, 3),
        (b"[1, 2, 3]", 1, 1),
        (b" [ [1, 2], [3] ]", 1, 2),
        (b"[[1, 2], [3, 4]]", 2, 1),
        (b"[[[1, 2], [3, 4]], [[1]]]", 2, 2),
        (b"[[1, 2]]", 32, 1),
        (b"[]", 0, 1),
        (b"[1, 2", 0, 1),
        (b"", 0, 1),
        (b"\xff[", 0, 1),
    ],
)
def test_bodies_are_counted_by_their_outline(body: bytes, list_depth: int, count: int) -> None:
    assert count_bodies(body, list_depth) == count


@pytest.mark.parametrize(
    ("value", "count"), [(None, None), ({"a": None, "b": math.nan}, 1), ([math.inf, [-math.inf, None]], 2), (1.0, None)]
)
def test_none_is_an_answer_and_nan_is_none(value: object, count: int | None) -> None:
    encoded = encode_answer(value)
    assert getattr(encoded, "non_finite", 0) == (count or 0)
    assert encoded == encode(value)

"""How many bodies a body holds, without reading them."""

from __future__ import annotations

import math

import pytest

from modelport.codecs.json import count_bodies, encode, encode_with_nulls


@pytest.mark.parametrize(
    ("body", "list_body", "count"),
    [
        (b'{"x": [1, 2]}', False, 1),
        (b' \n[{"x": [1, 2]}, {"x": "],["}]', False, 2),
        (b"[1, 2, 3]", False, 3),
        (b"[1, 2, 3]", True, 1),
        (b" [ [1, 2], [3] ]", True, 2),
        (b"[]", False, 1),
        (b"[1, 2", False, 1),
        (b"", False, 1),
        (b"\xff[", False, 1),
    ],
)
def test_bodies_are_counted_by_their_outline(body: bytes, list_body: bool, count: int) -> None:
    assert count_bodies(body, list_body) == count


@pytest.mark.parametrize(
    ("value", "count"), [(None, None), ({"a": None, "b": math.nan}, 1), ([math.inf, [-math.inf, None]], 2), (1.0, None)]
)
def test_none_is_an_answer_and_nan_is_none(value: object, count: int | None) -> None:
    encoded = encode_with_nulls(value)
    assert getattr(encoded, "non_finite", 0) == (count or 0)
    assert encoded == encode(value)

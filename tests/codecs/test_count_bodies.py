"""How many bodies a body holds, without reading them."""

from __future__ import annotations

import pytest

from modelport.codecs.json import count_bodies


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

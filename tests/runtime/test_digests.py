"""The digest of a body, by which it is blamed: the same body has the same one, and no other body that is likely to come."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.runtime.digests import LARGE, ROW, digest

BODY = bytes(range(256)) * 1000 + b"rest"


def test_a_small_body_is_hashed_as_it_is() -> None:
    assert digest(b"{}") == blake2b(b"{}", digest_size=8).digest()
    assert digest(bytes(LARGE)) == blake2b(bytes(LARGE), digest_size=8).digest()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_one_byte_that_differs_anywhere_makes_another_digest(place: int, by: int) -> None:
    changed = bytearray(BODY)
    changed[place] = (changed[place] + by) % 256
    assert digest(bytes(changed)) != digest(BODY)
    assert digest(bytes(bytearray(BODY))) == digest(BODY)


@pytest.mark.parametrize("other", [bytes(len(BODY)), bytes(len(BODY) + 1), bytes(len(BODY) - ROW), BODY + b"\0"])
def test_bodies_of_zeros_differ_by_their_length(other: bytes) -> None:
    assert len({digest(BODY), digest(bytes(len(BODY) + 2)), digest(other)}) == 3


def test_rows_and_numbers_in_another_order_make_another_digest() -> None:
    blocks = [bytes([n]) * ROW for n in range(40)]
    turned = [*blocks[1:], blocks[0]]
    numbers = b"".join(n.to_bytes(8, "little") for n in range(20_000))
    swapped = numbers[8:16] + numbers[:8] + numbers[16:]
    assert len({digest(b"".join(blocks)), digest(b"".join(turned))}) == 2
    assert len({digest(numbers), digest(swapped)}) == 2

"""How much there is in a body or an answer, told before it is unfolded: Python's lock is held for every value made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from modelport.codecs.answers import CannotWrite

MOST_COST = 1_000_000
"""In plain values. So much is made at once in about 65 ms, whatever it consists of; nothing else of the process runs meanwhile."""

ARRAY_COST, MAP_COST = 5, 3
"""An empty list takes a byte and, for Python's collector of garbage must look at it, as long as five numbers."""

PIECE = 128 * 1024
"""Bytes of an answer that are read at once: at worst 64 thousand lists."""


def _lengths() -> list[int]:
    """How far the next head of MessagePack is, by the first byte of this one; 0 where the next bytes say that."""
    lengths = [1] * 256
    for first in range(0xA0, 0xC0):
        lengths[first] = 1 + (first & 31)
    for first in SIZED:
        lengths[first] = 0
    fixed = {0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
    extensions = {0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}
    arrays_and_maps = {0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5}
    for first, length in (fixed | extensions | arrays_and_maps).items():
        lengths[first] = length
    return lengths


SIZED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)} | {
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
}
"""Bytes that say a length, and those between them and what is so long: of binaries, extensions and texts."""

LENGTHS = _lengths()
COSTS = [
    ARRAY_COST if 0x90 <= first < 0xA0 or first in (0xDC, 0xDD) else
    MAP_COST if 0x80 <= first < 0x90 or first in (0xDE, 0xDF) else 1
    for first in range(256)
]  # fmt: skip


def is_vast_msgpack(body: bytes) -> bool:
    """Whether it holds more than may be read at once. Only heads are looked at, and no more of them than may be there."""
    size = len(body)
    if size * ARRAY_COST <= MOST_COST:
        return False
    at = cost = 0
    while at < size and cost <= MOST_COST:
        first = body[at]
        cost += COSTS[first]
        length = LENGTHS[first]
        if not length:
            digits, more = SIZED[first]
            length = 1 + digits + more + int.from_bytes(body[at + 1 : at + 1 + digits])
        at += length
    return cost > MOST_COST


def read_pieces(answer: bytes) -> Iterator[Any]:
    """The values of a JSON answer, piece by piece: those of a list in lists, anything else alone.

    Between two pieces other threads have their turn. Raises CannotWrite where one value alone is more than may be read at once.
    """
    if len(answer) <= PIECE or answer[:1] != b"[":
        yield _read_all(answer)
        return
    piece: list[bytes] = []
    size = 0
    for part in msgspec.json.decode(answer, type=list[msgspec.Raw]):
        piece.append(bytes(part))
        size += len(piece[-1])
        if size >= PIECE:
            yield _read_all(b"[%b]" % b",".join(piece))
            piece, size = [], 0
    if piece:
        yield _read_all(b"[%b]" % b",".join(piece))


def _read_all(part: bytes) -> Any:
    if len(part) * ARRAY_COST > MOST_COST:
        cost = ARRAY_COST * part.count(b"[") + MAP_COST * part.count(b"{") + part.count(b",")
        if cost > MOST_COST:  # brackets in texts are counted, too; nobody has so many
            raise CannotWrite("one value of it is too large to be translated")
    return msgspec.json.decode(part)

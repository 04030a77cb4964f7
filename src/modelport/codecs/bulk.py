"""Arrays of numbers from JSON in one step: the text becomes lists of the declared type, and these an array.

Whatever is refused here is read again with care by whoever asked: what is wrong with a body, and where, is for that reading to say.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from modelport.codecs.arrays import Array, leaf_of, to_array
from modelport.codecs.json import opening_depth

LONG_ROW = 64
"""Floats. A shorter row costs more to begin with than there is to gain."""

REFUSALS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What is raised where a body is to be read with care."""


def compile_bulk_reader(declared: Array) -> Callable[[bytes], Any]:
    """A function from JSON to an array. Raises one of REFUSALS where it is not sure that all is well."""
    leaf = leaf_of(declared)
    pack = packed if leaf is float else _as_it_is

    @cache
    def decoder(depth: int) -> Callable[[bytes], Any]:
        kind: Any = leaf
        for _ in range(depth):
            kind = list[kind]
        return msgspec.json.Decoder(kind).decode

    def read_open(body: bytes) -> Any:
        return to_array(pack(decoder(opening_depth(body))(body)), declared)

    if declared.shape is None:
        return read_open
    decode = decoder(len(declared.shape))
    return lambda body: to_array(pack(decode(body)), declared)


def _as_it_is(lists: Any) -> Any:
    return lists


def packed(lists: Any) -> Any:
    """Long rows of floats as an array; anything else as it is. NumPy alone looks at every number twice, and takes twice as long."""
    import numpy as np

    rows = lists if isinstance(lists, list) and lists and isinstance(lists[0], list) else [lists]
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    if width < LONG_ROW or isinstance(rows[0][0], list) or any(len(row) != width for row in rows):
        return lists
    row_of = struct.Struct(f"={width}d")
    numbers = bytearray(row_of.size * len(rows))
    for n, row in enumerate(rows):
        row_of.pack_into(numbers, n * row_of.size, *row)
    array = np.frombuffer(numbers, "f8").reshape(len(rows), width)
    return array if rows is lists else array[0]

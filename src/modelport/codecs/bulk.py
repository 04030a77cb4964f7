"""Arrays of numbers from JSON in one step: the text becomes lists of the declared type, and these an array.

Whatever is refused here is read again with care by whoever asked: what is wrong with a body, and where, is for that reading to say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from modelport.codecs.arrays import Array, leaf_of, to_array
from modelport.codecs.json import opening_depth

REFUSALS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What is raised where a body is to be read with care."""


def compile_bulk_reader(declared: Array) -> Callable[[bytes], Any]:
    """A function from JSON to an array. Raises one of REFUSALS where it is not sure that all is well."""
    leaf = leaf_of(declared)

    @cache
    def decoder(depth: int) -> Callable[[bytes], Any]:
        kind: Any = leaf
        for _ in range(depth):
            kind = list[kind]
        return msgspec.json.Decoder(kind).decode

    def read_open(body: bytes) -> Any:
        return to_array(decoder(opening_depth(body))(body), declared)

    if declared.shape is None:
        return read_open
    decode = decoder(len(declared.shape))
    return lambda body: to_array(decode(body), declared)

"""A long JSON list as many short ones: whoever reads it lets others run between two of them.

A library in C reads sixteen megabytes in one step, and holds the interpreter for as long: ten seconds where a million objects are
made of it, and longer where each has problems. Cutting is left to the regular expressions of the standard library, which take
a slice at a time. They find where elements end in every JSON that is valid; what is not, whoever reads the slices refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SLICE_BYTES = 128 * 1024
MOST_ROWS = 256
DEPTH = 8
"""Elements nested more deeply are not cut from those that follow: the rest is one slice."""


def _element() -> str:
    """One element with the space around it. Nothing in it is ever matched twice: each part is possessive."""
    string = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    inside = rf'(?:[^"\[\]{{}}]++|{string})*+'
    for _ in range(DEPTH):
        nested = rf"[\[{{]{inside}[\]}}]"
        inside = rf'(?:[^"\[\]{{}}]++|{string}|{nested})*+'
    return rf'[ \t\r\n]*+(?:[^ \t\r\n,"\[\]{{}}]++|{string}|{nested})[ \t\r\n]*+'


_FEW = {rows: re.compile(rf"(?:{_element()},){{{rows}}}+".encode(), re.DOTALL) for rows in (MOST_ROWS, 16, 1)}
"""What matches so many elements, each with the comma behind it."""
_SPACE = b" \t\r\n"


def cut_list(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Short JSON lists whose elements are those of the list, in their order, each with how many it has.

    Of the last one, which need not be short where the list is nested deeply, the number is not counted: it is 1. Where the body
    is no valid list, one of the parts is none either.
    """
    at = body.index(b"[") + 1
    rows = 16
    while True:
        size, end = _match(body, at, rows)
        if not size:
            break
        yield size, b"[%b]" % body[at : end - 1]
        rows = next((r for r in _FEW if r * (end - at) <= SLICE_BYTES * size), 1)
        at = end
    rest = body[at:].rstrip(_SPACE)
    is_cut_off = not rest.strip(b" \t\r\n]") and at > body.index(b"[") + 1  # a comma, and nothing behind it
    yield 1, b"[," if is_cut_off else b"[" + rest


def _match(body: bytes, at: int, rows: int) -> tuple[int, int]:
    """So many elements, or fewer where there are not so many: their number and their end; 0 where there is not one."""
    for size, pattern in _FEW.items():
        if size <= rows and (found := pattern.match(body, at)) is not None:
            return size, found.end()
    return 0, at

"""Texts of Python 2, which were bytes: labels and categories come out of its files as texts, as callers of a model know them.

Pickle reads them as Latin-1, since arrays lie in the same opcodes as their memory. What is in arrays of texts is read again here:
as UTF-8, which is what most programs wrote, and where that does not go as Latin-1.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class OldText(str):
    """A text of Python 2 that is not ASCII: its bytes as Latin-1, since the file does not say of which alphabet they are."""

    __slots__ = ()


def text_of(data: bytes) -> str:
    """For what only Python 2 writes."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        return OldText(data.decode("latin-1"))


def as_texts(array: Any) -> Any:
    """An array of bytes as one of texts, and texts inside of one of objects in their alphabet; any other array as it is."""
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            return np.char.decode(array, "latin-1")
    if array.dtype == object:
        for place, value in enumerate(array.flat):
            if isinstance(value, (OldText, bytes)):
                array.flat[place] = _decoded(value.encode("latin-1") if isinstance(value, OldText) else value)
    return array


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")

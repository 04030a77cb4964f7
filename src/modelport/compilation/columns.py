"""What flows between the parts of a model: a matrix, and what is known of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelport.compilation.graph import Array, NotConvertible, Tensor

UNSEEN, NULL, FIRST = 0, 1, 2
"""Codes of text: whatever is not in the table, a gap, and the first value of the table."""

Table = tuple[Any, ...]
"""The values of a column of text; it reaches the graph as numbers: FIRST plus the position of its value here."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """In place of a table: a field of free text, of which vectorizers count the terms. Its own column holds nothing."""

    field: int


@dataclass(frozen=True, slots=True)
class Columns:
    """A matrix with its width; `names` where they are known, `tables` by position for what holds codes of text."""

    tensor: Tensor
    width: int
    names: tuple[str, ...] | None = None
    tables: tuple[Table | FreeText | None, ...] | None = None

    def table(self, index: int) -> Table | None:
        """The values that the codes of a column stand for; None where it holds numbers. Raises NotConvertible for free text."""
        table = self.tables[index] if self.tables else None
        if isinstance(table, FreeText):
            raise NotConvertible("free text", "is read by something else than a vectorizer")
        return table

    def select(self, indices: Sequence[int]) -> Columns:
        """Some of the columns, in this order."""
        chosen = [int(i) for i in indices]
        if chosen == list(range(self.width)):
            return self
        return Columns(
            self.tensor.columns(np.array(chosen, dtype=np.int64)),
            len(chosen),
            tuple(self.names[i] for i in chosen) if self.names else None,
            tuple(self.tables[i] for i in chosen) if self.tables else None,
        )

    def numbers(self, part: str) -> Tensor:
        """The matrix, for a part that does arithmetic. Raises NotConvertible where there is text among it."""
        if self.tables and any(t is not None for t in self.tables):
            raise NotConvertible(part, "reads text as numbers")
        return self.tensor

    def now(self, tensor: Tensor, width: int | None = None) -> Columns:
        """The numbers that became of these columns."""
        return Columns(tensor, self.width if width is None else width)

    def kept(self, tensor: Tensor) -> Columns:
        """The same columns with other values."""
        return replace(self, tensor=tensor)


def join(parts: Sequence[Columns]) -> Columns:
    """Side by side."""
    parts = [p for p in parts if p.width]
    tables = tuple(p.tables[i] if p.tables else None for p in parts for i in range(p.width))
    tensor = parts[0].tensor.graph.concat([p.tensor for p in parts])
    return Columns(tensor, len(tables), None, tables if any(t is not None for t in tables) else None)


def is_gap(value: Any) -> bool:
    """None or NaN."""
    return value is None or bool(value != value)


def positions(table: Table, categories: Sequence[Any], unseen: int, gap: int) -> Array:
    """For each code of a table, the position of its value among an encoder's categories."""
    known = {value: i for i, value in enumerate(categories) if not is_gap(value)}
    gaps = [i for i, value in enumerate(categories) if is_gap(value)]
    return np.array([unseen, gaps[0] if gaps else gap, *(known.get(value, unseen) for value in table)], dtype=np.int64)

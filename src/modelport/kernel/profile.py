"""What a column of the training sample tells about one input: type, range, categories, nullability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from modelport.kernel.signature import Kind

NULL_TOKENS = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
BOOL_TOKENS = {"true": True, "false": False}
MAX_CATEGORIES = 100


@dataclass(frozen=True, slots=True)
class Column:
    """The profile of one column. `example` is its value in the first row without a gap, when there is one."""

    name: str
    kind: Kind
    rows: int
    nulls: int
    low: float | None = None
    high: float | None = None
    categories: tuple[Any, ...] = ()
    example: Any = None


def profile_cells(name: str, cells: Sequence[str], example_row: int | None) -> Column:
    """Profile a column of text cells, as a CSV file holds them."""
    present = [cell for cell in cells if not is_gap(cell)]
    kind, values = _parse_cells(present)
    shown = None if example_row is None else cells[example_row]
    example = None if shown is None or is_gap(shown) else _PARSERS[kind](shown)
    return _profile(name, kind, values, len(cells), example)


def is_gap(value: Any) -> bool:
    """Whether a cell of either kind of file holds nothing: an empty text or one of the usual words, None or NaN."""
    if isinstance(value, str):
        return value.strip().lower() in NULL_TOKENS
    return value is None or value != value


def profile_values(name: str, values: Sequence[Any], example_row: int | None) -> Column:
    """Profile a column of typed Python values, as a Parquet file holds them; None and NaN are gaps."""
    plain = [float(value) if isinstance(value, Decimal) else value for value in values]
    present = [value for value in plain if value is not None and value == value]
    kind = _kind_of(present)
    if kind is Kind.STRING:
        present = [str(value) for value in present]
    example = None if example_row is None else plain[example_row]
    example = None if example is None or example != example else str(example) if kind is Kind.STRING else example
    return _profile(name, kind, present, len(values), example)


def _parse_cells(cells: Sequence[str]) -> tuple[Kind, list[Any]]:
    """The narrowest kind that holds every cell, and their values."""
    kind = _kind_of_cells(cells)
    parse = _PARSERS[kind]
    return kind, [parse(cell) for cell in cells]


def _kind_of_cells(cells: Sequence[str]) -> Kind:
    if not cells:
        return Kind.FLOAT
    if {cell.strip().lower() for cell in cells} <= BOOL_TOKENS.keys():
        return Kind.BOOL
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        return Kind.STRING
    if any("_" in cell for cell in cells):  # Python reads 1_000 as a number, nobody else does
        return Kind.STRING
    if any(set(cell) & set(".eEnN") for cell in cells):
        return Kind.FLOAT
    return Kind.INT if all(_is_int64(float(cell)) for cell in cells) else Kind.FLOAT


_PARSERS: dict[Kind, Callable[[str], Any]] = {
    Kind.BOOL: lambda cell: BOOL_TOKENS[cell.strip().lower()],
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.STRING: str,
}


def _kind_of(values: Sequence[Any]) -> Kind:
    types = {type(value) for value in values}
    if types <= {bool} and types:
        return Kind.BOOL
    if types <= {int} and types and all(_is_int64(value) for value in values):
        return Kind.INT
    return Kind.FLOAT if types <= {int, float} else Kind.STRING


def _is_int64(value: float) -> bool:
    return -(2**63) <= value < 2**63


def _profile(name: str, kind: Kind, values: list[Any], rows: int, example: Any) -> Column:
    nulls = rows - len(values)
    if kind is Kind.STRING:
        distinct = set(values)
        few = len(distinct) <= min(MAX_CATEGORIES, max(1, len(values) // 2))
        categories = tuple(sorted(distinct)) if few else ()
        return Column(name, kind, rows, nulls, categories=categories, example=example)
    if kind is Kind.BOOL:
        return Column(name, kind, rows, nulls, example=example)
    finite = [value for value in values if isfinite(value)]
    if example is not None and not isfinite(example):
        example = finite[0] if finite else None
    low, high = (min(finite), max(finite)) if finite else (None, None)
    return Column(name, kind, rows, nulls, low=low, high=high, example=example)

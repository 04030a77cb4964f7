"""What a column of the training sample tells about one input: type, range, categories, nullability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    present = [cell for cell in cells if cell.strip().lower() not in NULL_TOKENS]
    kind, values = _parse_cells(present)
    example = None if example_row is None else _parse_cells([cells[example_row]], kind)[1][0]
    return _profile(name, kind, values, len(cells), example)


def profile_values(name: str, values: Sequence[Any], example_row: int | None) -> Column:
    """Profile a column of typed Python values, as a Parquet file holds them; None and NaN are gaps."""
    present = [value for value in values if value is not None and value == value]
    kind = _kind_of(present)
    if kind is Kind.STRING:
        present = [str(value) for value in present]
    example = None if example_row is None else values[example_row]
    return _profile(name, kind, present, len(values), str(example) if kind is Kind.STRING else example)


def _parse_cells(cells: Sequence[str], kind: Kind | None = None) -> tuple[Kind, list[Any]]:
    lowered = {cell.strip().lower() for cell in cells} if kind in (None, Kind.BOOL) else set()
    if kind is Kind.BOOL or (kind is None and cells and lowered <= BOOL_TOKENS.keys()):
        return Kind.BOOL, [BOOL_TOKENS[cell.strip().lower()] for cell in cells]
    if kind is Kind.STRING:
        return Kind.STRING, list(cells)
    try:
        numbers = list(map(float, cells))
    except ValueError:
        return Kind.STRING, list(cells)
    if not cells:
        return Kind.FLOAT, []
    if kind is Kind.INT or (kind is None and not any(set(cell) & set(".eEnN") for cell in cells)):
        return Kind.INT, [int(float(cell)) for cell in cells]
    return Kind.FLOAT, numbers


def _kind_of(values: Sequence[Any]) -> Kind:
    types = {type(value) for value in values}
    if types <= {bool} and types:
        return Kind.BOOL
    if types <= {int} and types:
        return Kind.INT
    return Kind.FLOAT if types <= {int, float} else Kind.STRING


def _profile(name: str, kind: Kind, values: list[Any], rows: int, example: Any) -> Column:
    nulls = rows - len(values)
    if kind is Kind.STRING:
        distinct = set(values)
        few = len(distinct) <= min(MAX_CATEGORIES, max(1, len(values) // 2))
        categories = tuple(sorted(distinct)) if few else ()
        return Column(name, kind, rows, nulls, categories=categories, example=example)
    if kind is Kind.BOOL or not values:
        return Column(name, kind, rows, nulls, example=example)
    return Column(name, kind, rows, nulls, low=min(values), high=max(values), example=example)

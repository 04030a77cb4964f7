"""Reading the training sample (`--data`) into column profiles. CSV needs only the standard library; Parquet needs pyarrow."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.profile import BOOL_TOKENS, MAX_CATEGORIES, Column, is_gap, profile_cells, profile_values
from modelport.kernel.signature import Field, Kind
from modelport.kernel.values import Record

QUANTILES = 20
MAX_ROWS = 100_000
"""More rows than this change a signature no further; the rest of the file is not read."""


PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_MAGIC = b"PAR1"


def read_sample(path: Path) -> dict[str, Column]:
    """Profile every column of a CSV or Parquet file. Raises ArtifactError where it cannot be read."""
    table, typed = _read_table(path)
    example = _most_complete(list(zip(*table.values(), strict=True)))
    profile = profile_values if typed else profile_cells
    return {name: profile(name, cells, example) for name, cells in table.items()}


def read_records(path: Path, fields: Sequence[Field], most: int) -> list[Record]:
    """Rows of the sample as the model reads them, evenly spread; none where it lacks a column, less those that do not fit.

    Raises ArtifactError where the file cannot be read.
    """
    table, _ = _read_table(path)
    if any(f.name not in table or f.kind is Kind.TENSOR for f in fields):
        return []
    rows = list(zip(*(table[f.name] for f in fields), strict=True))
    step = max(1, len(rows) // most)
    records = (_record(row, fields) for row in rows[::step])
    return [record for record in records if record is not None][:most]


def profile_sample(path: Path) -> dict[str, Any]:
    """What the data looked like, by column, for a comparison with what comes later: gaps, quantiles or counts of values."""
    table, typed = _read_table(path)
    profile = profile_values if typed else profile_cells
    return {name: _profiled(profile(name, cells, None), cells) for name, cells in table.items()}


def _profiled(column: Column, cells: Sequence[Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"type": column.kind, "rows": column.rows, "gaps": column.nulls}
    present = [cell for cell in cells if not is_gap(cell)]
    if column.kind in (Kind.INT, Kind.FLOAT):
        values = sorted(value for value in map(float, present) if isfinite(value))
        told["quantiles"] = (
            [values[round(i * (len(values) - 1) / QUANTILES)] for i in range(QUANTILES + 1)] if values else []
        )
    else:
        counts = Counter(map(str, present))
        told |= {"distinct": len(counts), "counts": dict(counts.most_common(MAX_CATEGORIES))}
    return told


def _record(row: Sequence[Any], fields: Sequence[Field]) -> Record | None:
    try:
        record = tuple(None if is_gap(v) else _READ[f.kind](v) for v, f in zip(row, fields, strict=True))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return None if any(v is None and not f.nullable for v, f in zip(record, fields, strict=True)) else record


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("not finite")
    return number


_READ: dict[Kind, Callable[[Any], Any]] = {
    Kind.FLOAT: _finite,
    Kind.INT: lambda value: (
        int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else _whole(value)
    ),
    Kind.BOOL: lambda value: value if isinstance(value, bool) else BOOL_TOKENS[str(value).strip().lower()],
    Kind.STRING: str,
}


def _whole(value: Any) -> int:
    if float(value) != int(value):
        raise ValueError("not whole")
    return int(value)


Table = dict[str, Sequence[Any]]


def _read_table(path: Path) -> tuple[Table, bool]:
    """The columns, and whether their values have types; a CSV file holds text."""
    if not path.is_file():
        raise ArtifactError(f"the data file {path} does not exist")
    try:
        typed = _is_parquet(path)
        return (_read_parquet(path) if typed else _read_csv(path)), typed
    except OSError as error:
        raise ArtifactError(f"the data file {path} cannot be read: {error.strerror or error}") from None


def _is_parquet(path: Path) -> bool:
    """By its name or by either of its ends: a file that was cut, or written over at its head, is still a Parquet file."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        return _MAGIC in (head, file.read(4)) or path.suffix.lower() in PARQUET_SUFFIXES


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=_delimiter(file.readline(), path), strict=True)
            file.seek(0)
            header = next(reader, [])
            rows = [row for row in islice(reader, MAX_ROWS) if row]
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise ArtifactError(f"{path} is not readable as CSV: {error}") from None
    _check_table(path, header, rows)
    columns = zip(*rows, strict=True)
    return {
        name: cells for name, cells in zip(header, columns, strict=True) if name.strip()
    }  # pandas: an index without a name


def _delimiter(first_line: str, path: Path) -> str:
    if "\0" in first_line:
        raise ArtifactError(f"{path} is neither CSV nor Parquet")
    return max(",;\t|", key=first_line.count)


def _check_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not header or not rows:
        raise ArtifactError(f"{path} holds no rows under a header line")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise ArtifactError(f"{path} names the column {twice!r} twice")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ArtifactError(f"{path}, row {number}, has {len(row)} cells where the header has {len(header)}")


def _most_complete(rows: Sequence[Sequence[Any]]) -> int:
    """The first row without a gap, else one with the fewest: one real row makes a better example than any made up."""
    best, fewest = 0, len(rows[0]) + 1
    for i, row in enumerate(rows):
        gaps = sum(map(is_gap, row))
        if gaps == 0:
            return i
        if gaps < fewest:
            best, fewest = i, gaps
    return best


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise MissingExtra(f"reading {path.name}", "parquet") from None
    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=MAX_ROWS)
        table: dict[str, list[Any]] = next(batches).to_pydict()
    except StopIteration:
        raise ArtifactError(f"{path} holds no rows") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # of damaged pages it raises OSError, too
        reason = str(error).strip().partition("\n")[0][:200]
        raise ArtifactError(f"{path} is a damaged Parquet file: {reason}. Copy it or write it again") from None
    columns: Table = {
        name: values for name, values in table.items() if not name.startswith("__index_level_")
    }  # of pandas
    if not any(columns.values()):
        raise ArtifactError(f"{path} holds no rows")
    return columns

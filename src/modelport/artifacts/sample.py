"""Reading the training sample (`--data`) into column profiles. CSV needs only the standard library; Parquet needs pyarrow."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.profile import Column, is_gap, profile_cells, profile_values

MAX_ROWS = 100_000
"""More rows than this change a signature no further; the rest of the file is not read."""


PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_MAGIC = b"PAR1"


def read_sample(path: Path) -> dict[str, Column]:
    """Profile every column of a CSV or Parquet file. Raises ArtifactError where it cannot be read."""
    if not path.is_file():
        raise ArtifactError(f"the data file {path} does not exist")
    try:
        return _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    except OSError as error:
        raise ArtifactError(f"the data file {path} cannot be read: {error.strerror or error}") from None


def _is_parquet(path: Path) -> bool:
    """By its name or by either of its ends: a file that was cut, or written over at its head, is still a Parquet file."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        return _MAGIC in (head, file.read(4)) or path.suffix.lower() in PARQUET_SUFFIXES


def _read_csv(path: Path) -> dict[str, Column]:
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
    example = _most_complete(rows)
    named = ((name, cells) for name, cells in zip(header, columns, strict=True) if name.strip())
    return {
        name: profile_cells(name, cells, example) for name, cells in named
    }  # pandas writes its index without a name


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


def _read_parquet(path: Path) -> dict[str, Column]:
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
    columns = {name: values for name, values in table.items() if not name.startswith("__index_level_")}  # of pandas
    rows = list(zip(*columns.values(), strict=True))
    if not rows:
        raise ArtifactError(f"{path} holds no rows")
    example = _most_complete(rows)
    return {name: profile_values(name, values, example) for name, values in columns.items()}

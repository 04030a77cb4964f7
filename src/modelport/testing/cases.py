"""Reads golden cases: from a bundle, from lines of JSON, from a table, or as they are given."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.assembly import read_bundle
from modelport.errors import ConfigError

KEYS = ("record", "answer")


@dataclass(frozen=True, slots=True)
class Case:
    """A record, the answer that it must get, and where the case stands."""

    place: str
    record: Any
    answer: Any


def is_bundle(path: Path) -> bool:
    """Whether this is a folder with cases of its own."""
    return (path / "manifest.json").is_file()


def read_cases(
    source: str | os.PathLike[str] | Iterable[tuple[Any, Any]], described: Mapping[str, Any], answers: Sequence[str]
) -> Iterator[Case]:
    """Every case. `described` is the model, as `GET /models/{name}` tells it. Raises SetupError that names the place."""
    if not isinstance(source, (str, os.PathLike)):
        yield from (Case(f"case {number}", record, answer) for number, (record, answer) in enumerate(source, 1))
        return
    path = Path(source)
    if is_bundle(path):
        yield from _bundled(path)
    elif path.suffix == ".csv":
        yield from _rows(path, described.get("inputs", ()), answers)
    elif path.suffix in (".ndjson", ".jsonl"):
        yield from _lines(path)
    else:
        raise ConfigError(f"{path} is no file of cases: they are in a bundle, an .ndjson or a .csv file")


def _bundled(path: Path) -> Iterator[Case]:
    bundle = read_bundle(path)
    names = bundle.manifest.signature.names
    for number, case in enumerate(bundle.golden(), 1):
        record = {name: value for name, value in zip(names, case.record, strict=True) if value is not None}
        nulls = {f.name: None for f in bundle.manifest.signature.inputs if f.name not in record and not f.optional}
        yield Case(f"{path}: case {number}", record | nulls, case.answer)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"the file of cases {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"the file of cases {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the file of cases {path} is no UTF-8") from None


def _lines(path: Path) -> Iterator[Case]:
    for number, line in enumerate(_read(path).split("\n"), 1):
        if line.strip():
            place = f"{path}:{number}"
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"{place} is no JSON: {error}") from None
            if not isinstance(entry, dict) or sorted(entry) != sorted(KEYS):
                raise ConfigError(f'{place} wants  {{"record": …, "answer": …}},  not {line:.80}')
            yield Case(place, entry["record"], entry["answer"])


# -- tables ----------------------------------------------------------------------------------------------------------


def _rows(path: Path, inputs: Sequence[Mapping[str, Any]], answers: Sequence[str]) -> Iterator[Case]:
    """Every column is an input, but those of the answer. An empty cell is a gap: null where the model wants that, else left out.

    `inputs`: as far as the model tells them; what it does not tell is what it looks like.
    """
    types = {each["name"]: each["type"] for each in inputs}
    nulls = {each["name"]: None for each in inputs if each["nullable"] and not each.get("optional")}
    lines = _read(path).splitlines()
    reader = csv.DictReader(lines)
    missing = [name for name in answers if name not in (reader.fieldnames or ())]
    if missing:
        has = ", ".join(reader.fieldnames or ()) or "none"
        raise ConfigError(f"{path} has no column {missing[0]!r} for the expected answer (say answer=…); it has {has}")
    for row in reader:
        place = f"{path}:{reader.line_num}"
        if None in row or None in row.values():
            raise ConfigError(f"{place} has not as many cells as the head has names")
        record = {
            name: _value(cell, types.get(name, "")) for name, cell in row.items() if name not in answers and cell != ""
        }
        expected: dict[str, Any] = {}
        for name in answers:
            _put(expected, name, _value(row[name], ""))
        yield Case(
            place, {**nulls, **record}, expected if len(answers) > 1 or "." in answers[0] else expected[answers[0]]
        )


def _put(expected: dict[str, Any], name: str, value: Any) -> None:
    """`probabilities.Rock` is a field of a field."""
    *outer, last = name.split(".")
    for part in outer:
        expected = expected.setdefault(part, {})
    expected[last] = value


def _value(cell: str, kind: str) -> Any:
    """A number, true or false where that is what stands there, unless it is said to be a text."""
    if kind == "string":
        return cell
    lower = cell.strip().lower()
    if lower in ("true", "false"):
        return lower == "true"
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    return cell

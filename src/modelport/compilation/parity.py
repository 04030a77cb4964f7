"""Whether two models give the same answers, row by row: labels identical, probabilities and values within a tolerance."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelport.kernel.values import Record

PROBABILITY_TOLERANCE = 1e-5
"""Absolute."""
VALUE_TOLERANCE = 1e-6
"""Relative to the original's value."""
NOISE = 1e-12
"""Relative to the greatest value within the usual range: what float64 leaves of a sum that cancels to nothing."""
CHUNK = 512

Predict = Callable[[Sequence[Record]], list[Any]]
Row = tuple[str, Record]
"""A record, and which kind of checked row it is."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A row on which the two differ."""

    row: int
    kind: str
    record: tuple[Any, ...]
    expected: Any
    got: Any

    def __str__(self) -> str:
        return self.tell("the original answers", "the compiled form")

    def tell(self, wanted: str, got: str) -> str:
        """One line, with words for whose answers these are."""
        record = _cut(repr(list(self.record)), 200)
        answers = f"{wanted} {_cut(self.expected, 160)}, {got} {_cut(self.got, 160)}"
        return f"row {self.row} ({self.kind}) {record}: {answers}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared. `excluded` counts rows that the original itself refuses, `refused_alike` those of them that the
    compiled form refuses, too; `kinds` are the rows by kind.

    The worst differences are those of rows that agree. `row_us_before` and `row_us_after` are microseconds for one record.
    """

    rows: int = 0
    agreed: int = 0
    excluded: int = 0
    refused_alike: int = 0
    why_excluded: str = ""
    cut_short: bool = False
    kinds: Mapping[str, int] = field(default_factory=dict)
    worst_probability: float = 0.0
    worst_value: float = 0.0
    mismatch: Mismatch | None = None
    row_us_before: float = 0.0
    row_us_after: float = 0.0
    bytes_after: int = 0

    @property
    def full(self) -> bool:
        """Whether every row that was compared agreed, and there were any."""
        return self.rows > 0 and self.agreed == self.rows

    def __str__(self) -> str:
        words = f"parity {self.agreed:,} of {self.rows:,} rows"
        if self.excluded:
            words += f", {self.excluded:,} that the original refuses left out ({self.why_excluded})"
        return words + (", fewer than planned because the original is slow" if self.cut_short else "")


# -- the original's answers ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Expected:
    """The original's answers to rows, less the rows that it refuses."""

    rows: list[Row] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    refused: list[tuple[Row, str]] = field(default_factory=list)
    cut_short: bool = False


def ask(predict: Predict, rows: Sequence[Row], limit_s: float, into: Expected | None = None) -> Expected:
    """Ask in chunks until the time is up. A chunk that raises is halved until the rows that did it are found."""
    found = Expected() if into is None else into
    end = time.monotonic() + limit_s
    for chunk in _chunks(rows):
        if time.monotonic() > end:
            found.cut_short = True
            break
        _ask(predict, chunk, found)
    return found


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The first are small, so that a slow original is known as one."""
    start, size = 0, 16
    while start < len(rows):
        yield rows[start : start + size]
        start, size = start + size, min(size * 2, CHUNK)


def _ask(predict: Predict, rows: Sequence[Row], found: Expected) -> None:
    try:
        answers = predict([record for _, record in rows])
    except Exception as error:  # whatever the model's library raises
        if len(rows) == 1:
            found.refused.append((rows[0], f"{type(error).__name__}: {_cut(error, 120)}"))
            return
        half = len(rows) // 2
        _ask(predict, rows[:half], found)
        _ask(predict, rows[half:], found)
        return
    found.rows += rows
    found.answers += answers


# -- comparing -----------------------------------------------------------------------------------------------------


def compare(expected: Expected, predict: Predict, usual: Sequence[str] = ()) -> Report:
    """Hold a compiled form against the original's answers. `usual` are the kinds of rows that tell how great values are.

    Stops counting at the first error of the compiled form; each of some rows is asked alone, too, as servers do.
    """
    judge = _Judge(_scale(expected, usual))
    agreed, mismatch = 0, None
    for start in range(0, len(expected.rows), CHUNK):
        rows, wanted = expected.rows[start : start + CHUNK], expected.answers[start : start + CHUNK]
        got = _answers(predict, [record for _, record in rows])
        for i, (row, w, g) in enumerate(zip(rows, wanted, got, strict=True)):
            if judge.same(w, g):
                agreed += 1
            elif mismatch is None:
                mismatch = Mismatch(start + i, row[0], row[1], w, g)
    alone = _alone(expected, predict, judge) if mismatch is None else None
    return Report(
        rows=len(expected.rows),
        agreed=agreed - (alone is not None),
        excluded=len(expected.refused),
        refused_alike=sum(isinstance(_answers(predict, [record])[0], str) for (_, record), _ in expected.refused),
        why_excluded=expected.refused[0][1] if expected.refused else "",
        cut_short=expected.cut_short,
        kinds=dict(Counter(kind for kind, _ in expected.rows)),
        worst_probability=judge.worst_probability,
        worst_value=judge.worst_value,
        mismatch=mismatch or alone,
    )


def _answers(predict: Predict, records: list[Record]) -> list[Any]:
    try:
        return predict(records)
    except Exception as error:  # of the runtime
        return [f"{type(error).__name__}: {_cut(error, 200)}"] * len(records)


def _alone(expected: Expected, predict: Predict, judge: _Judge) -> Mismatch | None:
    """Whether rows asked one at a time get the same as in company."""
    step = max(1, len(expected.rows) // 100)
    for i in range(0, len(expected.rows), step):
        kind, record = expected.rows[i]
        got = _answers(predict, [record])[0]
        if not judge.same(expected.answers[i], got):
            return Mismatch(i, f"{kind}, asked alone", record, expected.answers[i], got)
    return None


def first_answered(expected: Expected, predict: Predict) -> Mismatch | None:
    """The first of the rows that the original refuses, and this form answers; None where it refuses them all, too."""
    for number, ((kind, record), why) in enumerate(expected.refused):
        got = _answers(predict, [record])[0]
        if not isinstance(got, str):
            return Mismatch(number, kind, record, why, got)
    return None


def _scale(expected: Expected, usual: Sequence[str]) -> float:
    """The greatest value among the answers to usual rows."""
    values = [
        abs(v)
        for (kind, _), answer in zip(expected.rows, expected.answers, strict=True)
        if kind in usual
        for v in _numbers(answer["prediction"])
        if math.isfinite(v)
    ]
    return max(values, default=0.0)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, float):
        yield value


@dataclass(slots=True)
class _Judge:
    """Compares two answers, and keeps the worst differences that it let pass."""

    scale: float
    worst_probability: float = 0.0
    worst_value: float = 0.0

    def same(self, wanted: Any, got: Any) -> bool:
        """Whether they agree, in shape and in each number."""
        if not isinstance(got, dict) or wanted.keys() != got.keys():
            return False
        tables = "probabilities" not in wanted or self._close(wanted["probabilities"], got["probabilities"], True)
        return tables and self._close(wanted["prediction"], got["prediction"], False)

    def _close(self, wanted: Any, got: Any, probability: bool) -> bool:
        if isinstance(wanted, dict):
            known = isinstance(got, dict) and wanted.keys() == got.keys()
            return known and all(self._close(w, got[key], probability) for key, w in wanted.items())
        if not isinstance(wanted, float):
            return type(wanted) is type(got) and bool(wanted == got)
        if not isinstance(got, float):
            return False
        if not math.isfinite(wanted) or not math.isfinite(got):
            return wanted == got or (wanted != wanted and got != got)
        return self._near(wanted, got, probability)

    def _near(self, wanted: float, got: float, probability: bool) -> bool:
        apart = abs(wanted - got)
        if probability:
            passed = apart <= PROBABILITY_TOLERANCE
            self.worst_probability = max(self.worst_probability, apart) if passed else self.worst_probability
            return passed
        passed = apart <= VALUE_TOLERANCE * abs(wanted) + NOISE * self.scale
        if passed and wanted:
            self.worst_value = max(self.worst_value, min(apart / abs(wanted), VALUE_TOLERANCE))
        return passed


def _cut(value: Any, length: int) -> str:
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "…"

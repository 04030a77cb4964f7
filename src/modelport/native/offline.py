"""What is known without any other environment: which kinds of models, saved by which release, answer equally here.

The table beside this file was written by comparing real models of every release with their own answers: `python -m
bench.old_models.matrix`. What it has not seen is refused, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from modelport.native import ties
from modelport.native.kinds import Kind, kinds_of
from modelport.native.repairs.repair import release
from modelport.native.versions import is_version

TABLE = Path(__file__).with_name("table.json")
REPAIRED, AS_IS, REFUSED = "repaired", "as it is", "refused"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a file may be loaded: with repairs, as it is, or not at all; and why not, as the end of a sentence."""

    way: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A kind that was compared: for each release a bit, whether it was there, and answered equally as it is and repaired."""

    words: frozenset[str]
    seen: int
    as_is: int
    repaired: int

    def good(self, way: str) -> int:
        """The releases whose models answered equally."""
        return self.repaired if way == REPAIRED else self.as_is


@dataclass(frozen=True, slots=True)
class Table:
    """What was compared with one installed release. `releases` are those that saved, the first one bit 0."""

    installed: str
    releases: tuple[str, ...]
    kinds: dict[str, tuple[Seen, ...]]

    def bit(self, saved: str) -> int:
        """That of the release of the same series; 0 where none was compared, and for what is none, such as 1.0.dev0."""
        if not is_version(saved):
            return 0
        series = release(saved)[:2]
        return next((1 << i for i, other in enumerate(self.releases) if release(other)[:2] == series), 0)


def judge(objects: Iterable[Any], saved: str, installed: str, mendable: bool = True) -> Judgement:
    """What the table says of a file, from the objects of its outline, the release that saved it and the installed one.

    `mendable`: repairs can be applied while it is read.
    """
    kinds, foreign = kinds_of(objects)
    if foreign:
        return Judgement(REFUSED, f"it holds {sorted(foreign)[0]}, which is none of scikit-learn's")
    return judge_kinds(kinds, saved, installed, ways=(REPAIRED, AS_IS) if mendable else (AS_IS,))


def judge_kinds(
    kinds: Collection[Kind],
    saved: str,
    installed: str,
    place: Path = TABLE,
    *,
    ways: Sequence[str] = (REPAIRED, AS_IS),
) -> Judgement:
    """The same of the kinds that were found in a file. `place`: of another table than the one that ships."""
    table = read_table(installed, place)
    if table is None:
        return Judgement(REFUSED, f"models of older releases were not compared with scikit-learn {installed}")
    bit = table.bit(saved)
    if not bit:
        return Judgement(REFUSED, f"models of scikit-learn {saved} were not compared with {installed}")
    tied = next(ties.objections(kinds, saved, installed), "")
    if tied:
        return Judgement(REFUSED, tied)
    reasons = {way: next(_objections(table, kinds, bit, way), "") for way in ways}
    way = next((way for way, reason in reasons.items() if not reason), REFUSED)
    return Judgement(way, reasons[ways[0]] if way == REFUSED else "")


def _objections(table: Table, kinds: Iterable[Kind], bit: int, way: str) -> Iterator[str]:
    for kind in sorted(kinds, key=lambda kind: kind.name):
        compared = [seen for seen in table.kinds.get(kind.name, ()) if seen.seen & bit]
        good = [seen for seen in compared if seen.good(way) & bit]
        unknown = kind.words - frozenset().union(*(seen.words for seen in good))
        bad = [seen for seen in compared if not seen.good(way) & bit and seen.words <= kind.words]
        if bad:
            yield f"{_told(kind.name, bad[0].words)} answers differently"
        elif not compared:
            yield f"{kind.name} of this release was not compared"
        elif unknown or not good:
            yield f"{_told(kind.name, unknown)} was not compared"


def _told(name: str, words: Iterable[str]) -> str:
    told = ", ".join(sorted(word.replace("outliers=", "outlier_label=") for word in words)[:4])
    return f"{name} with {told}" if told else name


@cache
def read_table(installed: str, place: Path = TABLE) -> Table | None:
    """The part for an installed release, or for another patch of its series; None where there is none."""
    whole = json.loads(place.read_text(encoding="utf-8"))
    series = release(installed)[:2]
    name = next((name for name in whole["installed"] if release(name)[:2] == series), None)
    if name is None:
        return None
    words, kinds = whole["words"], whole["installed"][name]
    return Table(
        name,
        tuple(whole["releases"]),
        {
            kind: tuple(Seen(frozenset(words[i] for i in indexes), *masks) for indexes, *masks in entries)
            for kind, entries in kinds.items()
        },
    )

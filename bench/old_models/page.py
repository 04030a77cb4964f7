"""The page of documentation about what was compared: counts, every case, every repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelport.native.repairs.kit import all_repairs

PAGE = Path("docs/reference/old-models.md")
AS_IS, REPAIRED, REFUSED, ABSENT = "=", "r", "✗", "–"
HEAD = """\
# Old models: what was compared, and the repairs

{cases} kinds of models were trained and saved by {releases} releases of scikit-learn, each in an environment of its time, and
asked there: real rows, both sides of the splits of trees, rows between training rows, gaps, extremes, unseen categories, empty
texts. Each file was then read by scikit-learn {installed} and asked the same. Answers count as equal where labels are identical,
numbers agree within 1e-7 of themselves, and what was refused there is refused here.

**Of {total:,} files {as_is:,} ({as_is_share:.0%}) answer equally as they are, {repaired:,} ({repaired_share:.0%}) after repairs;
the other {refused:,} are refused without the environment that saved them.** As they are, {silent:,} ({silent_share:.0%}) would
answer differently without a word.

This page and the table that ships with the package are written by `python -m bench.old_models.matrix`.

| | {columns} |
|---|{rule}|
"""
CASES = """
## Every kind

`=` equal as it is, `r` equal after repairs, `✗` refused without the release that saved it, `–` that release has no such model. A
parameter that training alone reads may have any value; words and switches that answers depend on are those of this list, or the
model is refused offline. What [chooses between the equally near](../how-to/old-models.md#without-a-network) is refused there
although it is equal here.

| model | {columns} |
|---|{rule}|
"""
REPAIRS = """
## The repairs

They work on what the [allow-list](../how-to/pickles.md) has read, never by running a file. Each has a model in the tests that
answers differently, or not at all, without it, and as the release that saved it does with it.

| repair | classes | saved by | why |
|---|---|---|---|
"""


def write_page(compared: Mapping[str, Sequence[Mapping[str, Any]]], installed: str, place: Path = PAGE) -> None:
    """From what `comparing` found, by release."""
    place.write_text("".join(_parts(compared, installed)), encoding="utf-8")


def _parts(compared: Mapping[str, Sequence[Mapping[str, Any]]], installed: str) -> Iterator[str]:
    marks = {release: {entry["name"]: mark_of(entry) for entry in entries} for release, entries in compared.items()}
    columns, rule = " | ".join(_short(release) for release in compared), "---|" * len(compared)
    yield HEAD.format(**_totals(compared, marks), installed=installed, columns=columns, rule=rule.rstrip("|"))
    for mark, what in ((AS_IS, "equal as it is"), (REPAIRED, "equal after repairs"), (REFUSED, "refused")):
        yield f"| {what} | {' | '.join(str(list(found.values()).count(mark)) for found in marks.values())} |\n"
    yield CASES.format(columns=columns, rule=rule.rstrip("|"))
    expressions = {entry["name"]: entry["case"] for entries in compared.values() for entry in entries}
    for name, expression in expressions.items():
        cells = " | ".join(found.get(name, ABSENT) for found in marks.values())
        yield f"| `{expression}` | {cells} |\n"
    yield REPAIRS
    for repair in all_repairs():
        yield f"| `{repair.name}` | {', '.join(repair.classes)} | {repair.saved} | {repair.reason} |\n"


def mark_of(entry: Mapping[str, Any]) -> str:
    """A cell."""
    if entry["as_is"] == "equal":
        return AS_IS
    return REPAIRED if entry["repaired"] == "equal" else REFUSED


def _short(release: str) -> str:
    return release.removesuffix(".post1")


def _totals(
    compared: Mapping[str, Sequence[Mapping[str, Any]]], marks: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    counts = Counter(mark for found in marks.values() for mark in found.values())
    total = sum(counts.values())
    silent = sum(": differs" in entry["as_is"] for entries in compared.values() for entry in entries)
    return {
        "cases": len({name for found in marks.values() for name in found}),
        "releases": len(compared),
        "total": total,
        "as_is": counts[AS_IS],
        "as_is_share": counts[AS_IS] / total,
        "repaired": counts[REPAIRED],
        "repaired_share": counts[REPAIRED] / total,
        "refused": counts[REFUSED],
        "silent": silent,
        "silent_share": silent / total,
    }

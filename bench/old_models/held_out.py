"""How the table that ships decides about models that it was not written from.

    python -m bench.old_models.held_out --work FOLDER [--releases 0.22.2.post1,1.3.2] [--short]

Twice: a table is written from four fifths of what `bench.old_models.matrix` has compared, and decides about the last fifth, in
turn; and one that is written from all of it decides about models that are trained for this with other seeds, sizes, strengths and
rows, and the other way round. Exits with status 1 where of the latter one that is served answers otherwise, or fewer than 60 % are
served. The former is told without a limit: most classes are in a single file of a release, and what was never compared is refused.
The table that ships is written from both.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.old_models.comparing import installed
from bench.old_models.end_to_end_page import OFFLINE
from bench.old_models.matrix import LEAST_SERVED, RELEASES, compare, save
from bench.old_models.table import Compared, write_table
from modelport.native.kinds import Kind
from modelport.native.offline import AS_IS, REFUSED, REPAIRED, TABLE, judge_kinds

FOLDS = 5
TEXT = """\
A table that is written from four fifths of the files decides about the last fifth, five times in turn; and one that is written
from all of them decides about models that were trained for this check, with other seeds, sizes and strengths, on fewer rows, and
the other way round. What it lets through was loaded and asked: a difference is one that nobody would have been told of. Most
classes are in a single file of each release, so a table without that file refuses the class; and one without the file that shows
a difference has not seen it. What looks for neighbours among all rows, or measured the distances of centres by another formula,
is refused whatever was compared: of what is equally near, each release takes another. The table that ships is written from both
sets, {both:,} files, of which {share:.1%} are served, none of them otherwise.
"""


@dataclass(slots=True)
class Tally:
    """What a table made of files that it has not seen."""

    title: str
    files: int = 0
    served: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def judge(self, release: str, entry: dict[str, Any], place: Path = TABLE) -> None:
        """One more file, by what was found when it was really loaded and asked."""
        kinds = {Kind(name, frozenset(words)) for name, words in entry.get("kinds", ())}
        judgement = judge_kinds(kinds, release, installed(), place) if kinds else None
        way = judgement.way if judgement else REFUSED
        self.files += 1
        self.served += way != REFUSED
        if judgement is not None and way == REFUSED:
            self.reasons[judgement.reason] += 1
        key = {REPAIRED: "repaired", AS_IS: "as_is"}.get(way)
        if key is not None and entry[key] != "equal":
            self.wrong.append(f"{release} {entry['name']} ({way}): {entry[key]}")

    @property
    def share(self) -> float:
        """Of the files that are served."""
        return self.served / self.files if self.files else 1.0

    def row(self) -> list[str]:
        """Of the page."""
        return [self.title, f"{self.files:,}", f"{self.served:,}", f"{self.share:.1%}", str(len(self.wrong))]


def main() -> int:
    """Both checks; writes the figures that the page shows, where all releases took part."""
    options = _options()
    releases = options.releases.split(",")
    compared = _read(options.work / "models")
    tallies = [
        leave_out(compared, "files at random", lambda release, name: f"{release} {name}"),
        leave_out(compared, "whole kinds, of every release", lambda _, name: name),
    ]
    if not options.short:
        varied = train(releases, options)
        part = {release: compared[release] for release in releases}
        tallies.append(by_table(part, varied, f"trained anew by {len(releases)} releases, by a table of the others"))
        tallies.append(by_table(varied, part, "the other way round"))
        whole = {release: [*part[release], *varied[release]] for release in releases}
        shipped = by_table(whole, whole, "all of them, by a table of all of them")
        print("  ".join(shipped.row()))
    for tally in tallies:
        print("  ".join(tally.row()), *tally.wrong, sep="\n    ")
        print("    refused:", *(f"{n} × {reason}" for reason, n in tally.reasons.most_common(8)), sep="\n        ")
    if not options.short:
        rows = [tally.row() for tally in tallies]
        text = TEXT.format(both=shipped.files, share=shipped.share)
        command = f"python -m bench.old_models.held_out --work FOLDER --releases {options.releases}"
        told = {"command": command, "date": time.strftime("%Y-%m-%d"), "text": text, "rows": rows}
        OFFLINE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    promised = tallies[2:]
    return 1 if any(tally.wrong or tally.share < LEAST_SERVED for tally in promised) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="that of bench.old_models.matrix")
    parser.add_argument("--releases", default=",".join(RELEASES), help="that train models anew")
    parser.add_argument("--again", action="store_true", help="train again what was trained before")
    parser.add_argument("--jobs", type=int, default=2, help="releases at a time (default 2)")
    parser.add_argument("--short", action="store_true", help="nothing is trained and nothing written")
    options = parser.parse_args()
    options.work = options.work.resolve()
    return options


def _read(models: Path) -> dict[str, list[dict[str, Any]]]:
    return {r: json.loads((models / r / "compared.json").read_text(encoding="utf-8")) for r in RELEASES}


# -- left out ----------------------------------------------------------------------------------------------------------


def leave_out(compared: Compared, title: str, unit: Callable[[str, str], str]) -> Tally:
    """Each fold in turn is judged by a table of the others. `unit`: what goes into a fold as a whole."""
    units = sorted({unit(release, entry["name"]) for release, entries in compared.items() for entry in entries})
    random.Random(0).shuffle(units)
    fold_of = {name: number % FOLDS for number, name in enumerate(units)}
    tally = Tally(f"{title}: a fifth, {FOLDS} times")
    with TemporaryDirectory() as folder:
        for fold in range(FOLDS):
            place = Path(folder) / f"{fold}.json"
            out_of = {name for name, number in fold_of.items() if number == fold}
            parts = {release: _split(entries, release, unit, out_of) for release, entries in compared.items()}
            write_table({release: kept for release, (kept, _) in parts.items()}, installed(), place)
            for release, (_, out) in parts.items():
                for entry in out:
                    tally.judge(release, entry, place)
    return tally


def _split(
    entries: Iterable[Any], release: str, unit: Callable[[str, str], str], out_of: Collection[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    kept: list[dict[str, Any]] = []
    out: list[dict[str, Any]] = []
    for entry in entries:
        (out if unit(release, entry["name"]) in out_of else kept).append(entry)
    return kept, out


# -- trained anew ------------------------------------------------------------------------------------------------------


def train(releases: Sequence[str], options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Models of the same kinds with other numbers, compared as the others were; once, unless asked to do it again."""

    def run(release: str) -> tuple[str, list[dict[str, Any]]]:
        folder = options.work / "varied" / release
        place = folder / "compared.json"
        if options.again or not place.exists():
            save(release, folder, options, "--varied")
            place.write_text(json.dumps(compare(folder, []), indent=1), encoding="utf-8")
        return release, json.loads(place.read_text(encoding="utf-8"))

    with ThreadPoolExecutor(options.jobs) as pool:
        return dict(pool.map(run, releases))


def by_table(known: Compared, asked: Compared, title: str) -> Tally:
    """What a table of the ones makes of the others."""
    tally = Tally(title)
    with TemporaryDirectory() as folder:
        place = Path(folder) / "table.json"
        write_table(known, installed(), place)
        for release, entries in asked.items():
            for entry in entries:
                tally.judge(release, dict(entry), place)
    return tally


if __name__ == "__main__":
    sys.exit(main())

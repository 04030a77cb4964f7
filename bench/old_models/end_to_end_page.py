"""What the run end to end found: the promises, and the page of documentation."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.native.proofs import AS_IT_IS, COMPILED, NATIVE, REPAIRED

RESULTS = Path("bench/results/old_models_end_to_end.json")
OFFLINE = Path("bench/results/old_models_held_out.json")
PAGE = Path("docs/performance-old-models.md")
WAYS = (AS_IT_IS, REPAIRED, COMPILED, NATIVE)
Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Promise:
    """A measured number and its limit; no value where the run left it out. `least`: the limit is a lower one."""

    title: str
    value: float | None
    limit: float
    least: bool = False
    unit: str = ""

    @property
    def missed(self) -> bool:
        """Whether it was measured and not kept."""
        if self.value is None:
            return False
        return self.value < self.limit if self.least else self.value > self.limit

    def cells(self) -> list[str]:
        """A row of a table."""
        word = "not measured" if self.value is None else "MISS" if self.missed else "pass"
        value = "" if self.value is None else _told(self.value, self.unit)
        return [self.title, f"{'at least' if self.least else 'at most'} {_told(self.limit, self.unit)}", value, word]


def _told(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "%" else f"{value:,.0f}" if not unit else f"{value:.2f}{unit}"


# -- figures -----------------------------------------------------------------------------------------------------------


def summarise(run: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of what became of the files, and times."""
    followed, started = run["followed"], run["started"]
    ways = Counter(entry["way"] for entry in followed)
    total, served = len(followed), sum(ways[way] for way in WAYS)
    alone = [u for entry in followed if (u := _without_repairs(entry))]
    return {
        "total": total,
        "releases": len({entry["release"] for entry in followed}),
        "names": len({entry["name"] for entry in followed}),
        "ways": {way: ways[way] for way in (*WAYS, "refused", "crashed")},
        "served": served / total,
        "independent": (served - ways[NATIVE]) / total,
        "compiled_form": sum(entry.get("form") == "compiled" for entry in followed) / total,
        "rows": sum(entry["held"]["equal"] for entry in followed if "held" in entry),
        "refused_more": sum(entry["held"]["refused_more"] for entry in followed if "held" in entry),
        "company": sum(entry["held"].get("company", 0) for entry in followed if "held" in entry),
        "silent": list(_silent(followed, started, run["native"])),
        "refusals": [entry for entry in followed if entry["way"] not in WAYS],
        "unrepaired": Counter(entry["way"] for entry in alone),
        "unrepaired_wrong": [e for e in alone if e.get("held", {}).get("differences")],
        "proof_s": statistics.median([entry["seconds"] for entry in followed if "seconds" in entry]),
        "first_s": [entry["first_s"] for entry in started if "first_s" in entry],
        "later_s": _later(started, run["native"]),
        "natively": {e["release"]: (e["environment"].get("python", ""), e["later_s"]) for e in run["native"]},
        "priority": run["priority"],
        "built": [(entry["release"], entry["seconds"]) for entry in run["built"]],
    }


def _without_repairs(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What becomes of a file where there are no repairs."""
    return entry if entry["way"] == AS_IT_IS else entry.get("unrepaired", {"way": entry["way"]})


def _silent(followed: Entries, started: Entries, native: Entries) -> Iterator[str]:
    for entry in (*followed, *started, *native):
        for part in ("held", "later_held"):
            for said in entry.get(part, {}).get("differences", ()):
                yield f"{entry['release']} {entry['name']} ({entry.get('way', NATIVE)}): {said}"


def _later(started: Entries, native: Entries) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for entry in started:
        if "later_s" in entry:
            found[entry["way"]].append(entry["later_s"])
    found[NATIVE] += [entry["later_s"] for entry in native]
    return {way: seconds for way, seconds in found.items() if seconds}


def judge(summary: Mapping[str, Any]) -> list[Promise]:
    """The promises, in the order of the page."""
    first = max((*summary["first_s"], *(seconds for _, seconds in summary["built"])), default=None)
    return [
        Promise("models served", summary["served"], 0.97, least=True, unit="%"),
        Promise("models served without a native environment", summary["independent"], 0.80, least=True, unit="%"),
        Promise("silent differences", float(len(summary["silent"])), 0),
        Promise("processes that a model has ended", float(summary["ways"]["crashed"]), 0),
        Promise("first serve, packages in the installer's cache, worst", first, 60.0, unit=" s"),
        *(
            Promise(f"later start, {way}, median", statistics.median(seconds), 1.0, unit=" s")
            for way, seconds in summary["later_s"].items()
        ),
    ]


def tell(summary: Mapping[str, Any]) -> str:
    """For a terminal."""
    lines = ["  ".join(promise.cells()) for promise in judge(summary)]
    counts = ", ".join(f"{way} {count}" for way, count in summary["ways"].items())
    unrepaired = ", ".join(f"{way} {count}" for way, count in summary["unrepaired"].most_common())
    refusals = [f"{e['way']}: {e['release']} {e['name']}: {e['why'][:300]}" for e in summary["refusals"]]
    return "\n".join([counts, f"without repairs: {unrepaired}", *lines, *refusals, *summary["silent"][:40]])


# -- the page ----------------------------------------------------------------------------------------------------------

HEAD = """\
# Old models, end to end

*`{command}` on {date}; {machine}; {minutes:.0f} minutes.*

Models that scikit-learn 0.19 to 1.8 saved, served by {installed} as `modelport serve` does it: proven against the release that
saved them, then asked rows that no proof has seen, each through the service's own decoder, and held against what that release
answered. **{total} files of {names} kinds and {releases} releases were taken** of the {kinds} kinds that at least ten releases can
save, the same number of each kind as far as that goes, the releases drawn. Transformers alone are no models and are not among
them. [Every kind, release by release](reference/old-models.md), is compared without a service in between.

{promises}
## What became of them

{ways}
"As it is" and "repaired" say how the model was shown to answer alike; {compiled_form:.0%} of the files then serve in compiled form.
{rows:,} answers were held against those of the release: labels identical, values within a millionth, probabilities within 1e-5.
{refused_more:,} rows that the release answers are refused by validation or an error, which callers are told: gaps where training
had none, for the most part. {company:,} answers of models whose answers depend on the rows beside them (ties among neighbours)
are those that the release gives to the row alone, and not those that it gave to all rows together.

Proving one takes {proof_s:.1f} s in the middle, where its environment is there.

"""
TIMES = """\
## Starts

A *first serve* begins with an empty cache and ends when `/readyz` answers 200. Later starts are launched with the
environments' folder taken away, unless the model is served from it, and without a package index; each figure is the median of
{later} starts, and of the files. All of it was launched at {priority} priority; nothing was pinned, and nothing else stopped.
What is served compiled needs no scikit-learn. What is served as it is or repaired and has no compiled form imports the installed
one first: these are the slowest of their rows. Where the proof asked the model itself, what neither loading it nor any row has
touched of SciPy, pandas and NumPy is put off until something uses it. Measured apart from the table, three starts each at
real-time priority: a logistic regression with `--no-compile` starts in 0.89 s so, and in 1.59 s with everything imported.

"""
NATIVELY = """
Later starts of a model (a forest of six trees) that its environment serves, whichever other way there is. The process there is
started before anything else, and what it takes is the import of the libraries of its time:

"""


def write_page(run: Mapping[str, Any], summary: Mapping[str, Any], place: Path = PAGE) -> None:
    """Everything that was found, with what was missed."""
    place.write_text("".join(_parts(run, summary)).rstrip() + "\n", encoding="utf-8")


def _parts(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[str]:
    from bench.old_models.comparing import installed

    machine = ", ".join(f"{name} {value}" for name, value in run["machine"].items())
    promises = _table(["promise", "limit", "measured", "verdict"], [p.cells() for p in judge(summary)])
    ways = _table(["way", "files", "share", "without repairs"], list(_ways(summary)))
    counts = {
        name: summary[name]
        for name in ("total", "names", "releases", "compiled_form", "rows", "refused_more", "company")
    }
    yield HEAD.format(
        command=_command(run["command"]),
        date=run["date"],
        machine=machine,
        minutes=run["minutes"],
        installed=f"scikit-learn {installed()}",
        kinds=run["kinds"],
        promises=promises,
        ways=ways,
        proof_s=summary["proof_s"],
        **counts,
    )
    yield from _failures(summary)
    yield from _times(summary)
    if OFFLINE.exists():
        yield from _offline(json.loads(OFFLINE.read_text(encoding="utf-8")))


def _command(text: str) -> str:
    """Without the folders of the machine that it ran on."""
    return re.sub(r"--work \S+", "--work FOLDER", text)


def _ways(summary: Mapping[str, Any]) -> Iterator[list[str]]:
    for way, count in summary["ways"].items():
        other = summary["unrepaired"].get(way, 0)
        if count or other:
            yield [way, str(count), f"{count / summary['total']:.1%}", str(other)]


def _failures(summary: Mapping[str, Any]) -> Iterator[str]:
    wrong = summary["unrepaired_wrong"]
    yield "The last column is what would become of them without a single repair: compiled of what the environment tells, or\n"
    yield "served by it"
    yield f"{f'; {len(wrong)} of these answer otherwise on some row' if wrong else ', and none of these answers otherwise'}.\n\n"
    if summary["refusals"]:
        yield "Not served:\n\n"
        yield from (f"- {e['release']} `{e['name']}`: {_cut(e['why'])}\n" for e in summary["refusals"])
        yield "\n"
    if summary["silent"]:
        yield "Answered otherwise:\n\n"
        yield from (f"- {_cut(said)}\n" for said in summary["silent"])
        yield "\n"


def _cut(text: str) -> str:
    """One line without folders of a machine."""
    plain = re.sub(r"(/[\w.~-]+)+/", "", " ".join(text.split()))
    return plain if len(plain) < 300 else f"{plain[:297]}…"


def _times(summary: Mapping[str, Any]) -> Iterator[str]:
    from bench.old_models.starts import LATER

    yield TIMES.format(later=LATER, priority=summary["priority"])
    rows = [["first serve, environment there", *_spread(summary["first_s"])]] if summary["first_s"] else []
    rows += [[f"later start, {way}", *_spread(seconds)] for way, seconds in summary["later_s"].items()]
    rows += [
        [f"first serve, scikit-learn {release} built of cached packages", "1", f"{s:.1f} s", f"{s:.1f} s"]
        for release, s in summary["built"]
    ]
    yield _table(["start", "files", "median", "slowest"], rows)
    if summary["natively"]:
        yield NATIVELY
        native = [[release, python, f"{s:.2f} s"] for release, (python, s) in summary["natively"].items()]
        yield _table(["scikit-learn", "Python", "later start"], native)


def _spread(seconds: Sequence[float]) -> list[str]:
    return [str(len(seconds)), f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s"]


def _offline(found: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Without a network, on models that the table has not seen\n\n"
    yield f"*`{found['command']}` on {found['date']}.*\n\n"
    yield found["text"].rstrip() + "\n\n"
    yield _table(["held out", "files", "served", "share", "silent differences"], found["rows"])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows)) + "\n"

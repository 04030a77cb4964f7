"""Old models end to end: proven, served, and asked rows that no proof has seen; beside the answers of the release that saved them.

    python -m bench.old_models.end_to_end --work FOLDER [--files 300] [--short]

The folder is that of `bench.old_models.matrix`, which has trained and saved the models. Takes some seconds for each file; prints
how it goes and how long it will take. Exits with status 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.old_models.borrowing import borrow
from bench.old_models.chain import artifact_of
from bench.old_models.comparing import read_case
from bench.old_models.end_to_end_page import RESULTS, judge, summarise, tell, write_page
from bench.old_models.heldout import asked_rows
from bench.old_models.matrix import ALONE, RELEASES, ROOT
from bench.old_models.starts import first_serve, native_starts, watch_starts
from modelport.compare.machine import machine

FEWEST_RELEASES, CHUNK = 10, 6
SERVED_ALONE = "forest-binary"
"""Of the releases whose native starts are measured."""


@dataclass(frozen=True, slots=True)
class File:
    """A model of one release."""

    release: str
    name: str

    def stem(self, models: Path) -> Path:
        """Where it is, without the end of its name."""
        return models / self.release / self.name.replace("/", ".")


def main() -> int:
    """Take the sample, follow it, and write the page where nothing was left out."""
    options = _options()
    models, began = options.work / "models", time.monotonic()
    files = sample(models, options.files, options.seed)
    print(
        f"{len(files)} files of {len({f.name for f in files})} kinds and {len({f.release for f in files})} releases",
        flush=True,
    )
    run: dict[str, Any] = {
        "command": "python -m bench.old_models.end_to_end " + " ".join(sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "kinds": len(kinds_in(models)),
    }
    run["followed"] = follow_all(files, options)
    place = options.work / "end_to_end.json"  # an hour's work, should the rest fail
    _keep(run, place)
    run["priority"] = "usual" if os.sched_getscheduler(0) == os.SCHED_OTHER else "real-time"
    run["started"] = start_some(files, options)
    _keep(run, place)
    run["native"] = native_of_each(options)
    _keep(run, place)
    run["built"] = builds(options)
    run["minutes"] = (time.monotonic() - began) / 60
    summary = summarise(run)
    print(tell(summary), flush=True)
    if not options.short:
        _keep(run, RESULTS)
        write_page(run, summary)
    return 1 if any(verdict.missed for verdict in judge(summary)) else 0


def _keep(run: dict[str, Any], place: Path) -> None:
    place.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="that of bench.old_models.matrix")
    parser.add_argument("--files", type=int, default=300, help="how many; 0 for all (default 300)")
    parser.add_argument("--served", type=int, default=25, help="how many of them are served over HTTP (default 25)")
    parser.add_argument("--native", type=int, default=len(RELEASES), help="releases whose own starts are measured")
    parser.add_argument("--builds", type=int, default=3, help="environments that are built anew (default 3)")
    parser.add_argument("--jobs", type=int, default=2, help="releases at a time (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--short", action="store_true", help="a dozen files; writes nothing")
    options = parser.parse_args()
    if options.short:
        options.files, options.served, options.native, options.builds = 12, 2, 2, 0
    options.work = options.work.resolve()
    return options


# -- the sample --------------------------------------------------------------------------------------------------------


def kinds_in(models: Path) -> dict[str, list[str]]:
    """The kinds that enough releases have saved, each with these releases."""
    found: dict[str, list[str]] = defaultdict(list)
    for release in RELEASES:
        outcomes = json.loads((models / release / "index.json").read_text(encoding="utf-8"))["outcomes"]
        for name, outcome in outcomes.items():
            found[name] += [release] if outcome == "saved" else []
    return {name: releases for name, releases in found.items() if len(releases) >= FEWEST_RELEASES}


def sample(models: Path, count: int, seed: int) -> list[File]:
    """Kind by kind, of each the release that has come least often; what cannot predict is no model and is left out."""
    kinds = {
        name: list(releases) for name, releases in kinds_in(models).items() if _predicts(models, name, releases[0])
    }
    draw, taken = random.Random(seed), Counter[str]()
    chosen: list[File] = []
    while (not count or len(chosen) < count) and any(kinds.values()):
        for name in draw.sample(sorted(kinds), len(kinds)):
            if kinds[name] and (not count or len(chosen) < count):
                release = min(draw.sample(kinds[name], len(kinds[name])), key=lambda each: taken[each])
                kinds[name].remove(release)
                taken[release] += 1
                chosen.append(File(release, name))
    return chosen


def _predicts(models: Path, name: str, release: str) -> bool:
    return "predict" in read_case(File(release, name).stem(models))["answers"]


# -- through the chain -------------------------------------------------------------------------------------------------


def follow_all(files: Sequence[File], options: argparse.Namespace) -> list[dict[str, Any]]:
    """All of them, some releases at a time. Environments are those of the working folder, everything else is new."""
    chunks = in_chunks(files)
    found: list[dict[str, Any]] = []
    began = time.monotonic()
    with TemporaryDirectory(dir=options.work) as folder, ThreadPoolExecutor(options.jobs) as pool:
        cache = Path(folder)
        borrow(options.work, cache, [artifact_of(file.stem(options.work / "models")) for file in files])
        for done in pool.map(lambda chunk: list(follow(chunk, cache, options.work / "models")), chunks):
            found += done
            _progress(len(found), len(files), time.monotonic() - began)
    return found


def in_chunks(files: Sequence[File]) -> list[list[File]]:
    """Some files of a release each, for a child process; what they have in common is imported once."""
    found = []
    for release in dict.fromkeys(file.release for file in files):
        of_it = [file for file in files if file.release == release]
        found += [of_it[i : i + CHUNK] for i in range(0, len(of_it), CHUNK)]
    return found


def follow(files: Sequence[File], cache: Path, models: Path) -> Iterator[dict[str, Any]]:
    """Files of one release, in a child process: reading what an old release wrote may end one."""
    left = [file.name for file in files]
    while left:
        command = [sys.executable, "-m", "bench.old_models.chain", str(cache), str(models / files[0].release), *left]
        child = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **ALONE}, check=False
        )
        done = [line for text in child.stdout.splitlines() if "name" in (line := json.loads(text))]
        yield from ({"release": files[0].release, **line} for line in done)
        left = left[len(done) :]
        if left:
            why = f"ends the process with {child.returncode}: {child.stderr.strip()[-300:]}"
            yield {"release": files[0].release, "name": left.pop(0), "way": "crashed", "why": why}


def _progress(done: int, total: int, seconds: float) -> None:
    left = (total - done) * seconds / done
    print(f"{done} of {total} files, {seconds / 60:.0f} min; about {left / 60:.0f} min more", flush=True)


# -- served ------------------------------------------------------------------------------------------------------------


def start_some(files: Sequence[File], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Some of the files over HTTP, from the first start on."""
    found = []
    for file in files[:: max(1, len(files) // options.served)][: options.served] if options.served else ():
        stem = file.stem(options.work / "models")
        told = watch_starts(artifact_of(stem), options.work, asked_rows(read_case(stem)))
        found.append({"release": file.release, "name": file.name, **told})
        print(f"served {file.release} {file.name}: {_shortly(told)}", flush=True)
    return found


def native_of_each(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Later starts of one model of each release that its environment serves."""
    found = []
    for release in RELEASES[:: max(1, len(RELEASES) // options.native)][: options.native] if options.native else ():
        stem = File(release, f"classifier/{SERVED_ALONE}").stem(options.work / "models")
        told = native_starts(artifact_of(stem), options.work, asked_rows(read_case(stem)))
        found.append({"release": release, "name": SERVED_ALONE, **told})
        print(f"native {release}: {_shortly(told)}", flush=True)
    return found


def _shortly(told: dict[str, Any]) -> str:
    if "refused" in told:
        return f"refused: {told['refused'][:200]}"
    seconds = ", ".join(f"{name} {told[name]:.2f}" for name in ("first_s", "later_s") if name in told)
    return f"{told.get('way', 'native')}, {seconds}, {len(told['later_held']['differences'])} differences"


def builds(options: argparse.Namespace) -> list[dict[str, Any]]:
    """First serves with nothing but the packages in the installer's cache."""
    found = []
    for release in RELEASES[:: max(1, len(RELEASES) // options.builds)][: options.builds] if options.builds else ():
        stem = File(release, f"classifier/{SERVED_ALONE}").stem(options.work / "models")
        seconds = first_serve(artifact_of(stem))
        found.append({"release": release, "seconds": seconds})
        print(f"built and served {release}: {seconds:.1f} s", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())

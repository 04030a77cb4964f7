"""Every kind of model × every release: trained and saved there, loaded here, answers compared.

    python -m bench.old_models.matrix --work FOLDER [--releases 0.22.2.post1,1.3.2] [--only forest,tfidf]

Builds an environment for each release (wheels, cached in the folder), trains and saves what `cases.txt` lists, and compares. Takes
half an hour the first time, ten minutes afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.old_models.comparing import installed
from bench.old_models.page import write_page
from bench.old_models.table import write_table
from modelport.native.environments import provide
from modelport.native.kinds import Kind
from modelport.native.offline import AS_IS, REFUSED, REPAIRED, judge_kinds
from modelport.native.versions import StoredVersions, needed

RELEASES = [
    "0.19.2",
    "0.20.4",
    "0.21.3",
    "0.22.2.post1",
    "0.23.2",
    "0.24.2",
    "1.0.2",
    "1.1.3",
    "1.2.2",
    "1.3.2",
    "1.4.2",
    "1.5.2",
    "1.6.1",
    "1.7.2",
    "1.8.0",
]
LEAST_SERVED = 0.6
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run it, and write the table and the page where all releases were asked for; 1 where too few are served."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="environments, models and results are kept here")
    parser.add_argument("--releases", default=",".join(RELEASES))
    parser.add_argument("--only", default="", help="words of names, separated by commas; writes nothing")
    parser.add_argument("--again", action="store_true", help="train again what was trained before")
    parser.add_argument("--jobs", type=int, default=2, help="releases at a time (default 2)")
    options = parser.parse_args()
    words = [word for word in options.only.split(",") if word]

    def run(release: str) -> list[dict[str, Any]]:
        save(release, options.work / "models" / release, options)
        return compare(options.work / "models" / release, words)

    with ThreadPoolExecutor(options.jobs) as pool:
        compared = dict(zip(options.releases.split(","), pool.map(run, options.releases.split(",")), strict=True))
    for release, found in compared.items():
        report(release, found)
    if words or list(compared) != list(RELEASES):
        return 0
    for release, found in compared.items():
        (options.work / "models" / release / "compared.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    write_table(with_varied(compared, options.work), installed())
    write_page(compared, installed())
    return verdict(compared)


def with_varied(compared: dict[str, list[dict[str, Any]]], work: Path) -> dict[str, list[dict[str, Any]]]:
    """And what `bench.old_models.held_out` has found of models with other numbers: ties differ in some and not in others."""
    found = {}
    for release, entries in compared.items():
        place = work / "varied" / release / "compared.json"
        found[release] = entries + (json.loads(place.read_text(encoding="utf-8")) if place.exists() else [])
    return found


def verdict(compared: dict[str, list[dict[str, Any]]]) -> int:
    """What the table makes of the very models it was written from: nothing that differs may pass, and most must."""
    served, wrong, total = 0, [], 0
    for release, found in compared.items():
        for entry in found:
            kinds = {Kind(name, frozenset(words)) for name, words in entry.get("kinds", ())}
            way = judge_kinds(kinds, release, installed()).way if kinds else REFUSED
            total, served = total + 1, served + (way != REFUSED)
            key = {REPAIRED: "repaired", AS_IS: "as_is"}.get(way)
            if key is not None and entry[key] != "equal":
                wrong.append(f"{release} {entry['name']}: {entry[key]}")
    print(
        f"offline: {served} of {total} served ({served / total:.1%}), {len(wrong)} silent differences",
        *wrong,
        sep="\n    ",
    )
    return 1 if wrong or served / total < LEAST_SERVED else 0


def save(release: str, folder: Path, options: argparse.Namespace, *flags: str) -> None:
    """Train and save in the release's own environment, unless that is done."""
    if (folder / "index.json").exists() and not options.again:
        return
    environment = provide(needed(StoredVersions({"scikit-learn": release})), options.work)
    command = [str(environment.python), "-m", "bench.old_models.save_models", str(folder), *flags]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **ALONE, "PYTHONPATH": ""})


def compare(folder: Path, words: list[str]) -> list[dict[str, Any]]:
    """In child processes: reading what an old release wrote may end one."""
    names = list(json.loads((folder / "index.json").read_text(encoding="utf-8"))["outcomes"].items())
    left = [n for n, outcome in names if outcome == "saved" and (not words or any(word in n for word in words))]
    found: list[dict[str, Any]] = []
    while left:
        command = [sys.executable, "-m", "bench.old_models.comparing", str(folder), *left]
        child = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **ALONE}, check=False
        )
        lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
        done = [line for line in lines if "name" in line]
        found += done
        left = left[len(done) :]
        if left:
            dead = f"ends the process with {child.returncode}"
            found.append({"name": left[0], "as_is": dead, "repaired": dead, "repairs": [], "case": ""})
            left = left[1:]
    return found


def report(release: str, found: list[dict[str, Any]]) -> None:
    """Counts, and what is not equal after repairs."""
    for way in ("as_is", "repaired"):
        counts = Counter(kind(entry[way]) for entry in found)
        print(f"{release:14} {way:9}", ", ".join(f"{n} {what}" for what, n in counts.most_common()), flush=True)
    for entry in found:
        if entry["repaired"] != "equal":
            print(f"    {entry['name']:36} {entry['repaired']}", flush=True)


def kind(outcome: str) -> str:
    """`equal`, `differs`, `fails` or `does not load`, of an outcome in words."""
    text = outcome.partition(": ")[2] if outcome.startswith(("pkl: ", "joblib: ")) else outcome
    return text.partition(":")[0]


if __name__ == "__main__":
    sys.exit(main())

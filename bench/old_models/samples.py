"""A few of the models for the fast tests: for each repair the smallest that answers wrongly, or not at all, without it.

    python -m bench.old_models.samples --work FOLDER

Takes what `bench.old_models.matrix` and `bench.old_models.held_out` have trained and compared, and writes `tests/native/saved/`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from bench.old_models.comparing import installed, outcome_of, read_case
from modelport.native.repairs.kit import RepairKit

TARGET = Path("tests/native/saved")
ENDS_THE_PROCESS = ("boosting-", "histogram-", "gaps-refused-by-histograms", "kernel-", "search-tree-", "tree-node-")
"""Repairs without which compiled code may read what is not there: it is not tried out here."""

MOST_BYTES, LARGEST = 300_000, 18_000
"""Of all of them together, and of each: they are part of the repository. Repairs that only larger models need are checked by the
matrix alone."""


def main() -> int:
    """Choose and copy; 1 where they are too much together."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="that of bench.old_models.matrix")
    work = parser.parse_args().work
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    found: dict[str, str] = {}
    for size, stem, release, repairs in sorted(candidates(work)):
        missing = [name for name in repairs if name not in found]
        needed = [name for name in missing if is_needed(stem, release, name)]
        for name in needed:
            found[name] = sample_name(stem)
        if needed:
            for suffix in (".pkl", ".json.gz"):
                shutil.copyfile(f"{stem}{suffix}", TARGET / f"{sample_name(stem)}{suffix}")
            print(f"{size:7} {release:12} {stem.name}: {', '.join(needed)}", flush=True)
    (TARGET / "needs.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    total = sum(file.stat().st_size for file in TARGET.iterdir())
    print(f"{total:,} bytes in all")
    return 0 if total <= MOST_BYTES else 1


def sample_name(stem: Path) -> str:
    """Of the copy: the release and the case, and whether its numbers were varied."""
    return f"{stem.parent.name}__{stem.name}{'-varied' if stem.parent.parent.name == 'varied' else ''}"


def candidates(work: Path) -> Iterator[tuple[int, Path, str, tuple[str, ...]]]:
    """Every model that answers equally with repairs and not without: size, file, release, repairs that had something to do."""
    for folder in (each for name in ("models", "varied") if (work / name).is_dir() for each in (work / name).iterdir()):
        compared = folder / "compared.json"
        for entry in json.loads(compared.read_text(encoding="utf-8")) if compared.exists() else ():
            if entry["repaired"] == "equal" != entry["as_is"]:
                stem = folder / entry["name"].replace("/", ".")
                size = sum(Path(f"{stem}{suffix}").stat().st_size for suffix in (".pkl", ".json.gz"))
                if size <= LARGEST:
                    yield size, stem, folder.name, tuple(entry["repairs"])


def is_needed(stem: Path, saved: str, repair: str) -> bool:
    """Whether it answers differently, or not at all, when all repairs but this one are there."""
    if repair.startswith(ENDS_THE_PROCESS):
        return True
    kit = RepairKit(saved, installed(), frozenset({repair}))
    return outcome_of(Path(f"{stem}.pkl"), kit, read_case(stem)) != "equal"


if __name__ == "__main__":
    sys.exit(main())

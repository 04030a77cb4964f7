"""Rows as near to one centre as to another, and rows very far away: which releases decide about them as the installed one does.

    python -m bench.old_models.tied --work FOLDER [--releases 0.22.2.post1,1.3.2]

Takes models that `bench.old_models.matrix` has saved, and asks them in their release and here, repaired. Offline such models are
let through or refused by `modelport.native.ties`, which is written from the sources of the releases. Exits with status 1 where one
that it lets through decides otherwise.
"""

from __future__ import annotations

import argparse
import gc
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.old_models.comparing import installed
from bench.old_models.matrix import RELEASES
from modelport.artifacts.pickles.outline import read_outline
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.native import load_native, read_stored
from modelport.assembly.proving import PROVEN
from modelport.config import ServeOptions
from modelport.kernel.values import Record
from modelport.native.environments import provide
from modelport.native.kinds import kinds_of
from modelport.native.repairs.kit import RepairKit
from modelport.native.ties import objections
from modelport.native.versions import needed

NAMES = (
    "unsupervised/k-means",
    "unsupervised/mini-batch-k-means",
    "unsupervised/birch",
    "unsupervised/mean-shift",
    "unsupervised/affinity",
    "unsupervised/gaussian-mixture",
    "classifier/nearest-centroid",
)
CENTRES = ("subcluster_centers_", "cluster_centers_", "centroids_", "means_")
MOST_CENTRES = 40
FAR = (1e8, 1e15, 1e30)
"""Times a centre."""


@dataclass(frozen=True, slots=True)
class Decided:
    """How many rows of a model go another way here, and whether it is refused offline."""

    release: str
    name: str
    rows: int
    otherwise: int
    refused: bool

    @property
    def silent(self) -> bool:
        """Whether nobody would be told."""
        return self.otherwise > 0 and not self.refused

    def __str__(self) -> str:
        offline = "SILENT" if self.silent else "refused offline" if self.refused else "equal"
        return f"{self.release:14} {self.name:34} {self.otherwise:5,} of {self.rows:5,} otherwise  {offline}"


def main() -> int:
    """Every release and model; 1 where a difference would be silent."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="that of bench.old_models.matrix")
    parser.add_argument("--releases", default=",".join(RELEASES))
    options = parser.parse_args()
    silent = 0
    for decided in compare_all(options.work.resolve(), options.releases.split(",")):
        print(decided, flush=True)
        silent += decided.silent
    return 1 if silent else 0


def compare_all(work: Path, releases: list[str]) -> Iterator[Decided]:
    """Whatever the releases have saved of these models."""
    for release in releases:
        for name in NAMES:
            path = work / "models" / release / f"{name.replace('/', '.')}.pkl"
            if path.exists():
                yield compare(path, name, release, work)
                gc.collect()  # the processes of native environments end with what stood for them


def compare(path: Path, name: str, release: str, work: Path) -> Decided:
    """One model, there and here. Rows are asked alone, as callers ask them."""
    options = ServeOptions(cache_dir=work)
    there, _ = load_native(path, options, provide(needed(read_stored(path)), work), PROVEN)
    kit = RepairKit(release, installed())
    inputs = there.signature.inputs
    here, _ = load_artifact(path, options, known=inputs, other_version=PROVEN, repairs=lambda _: kit)
    rows = rows_between(centres_of(there.estimator))  # type: ignore[attr-defined]
    otherwise = sum(label(there, row) != label(here, row) for row in rows)
    kinds, _ = kinds_of(read_outline(path).objects())
    refused = any(objections(kinds, release, installed()))
    return Decided(release, name, len(rows), otherwise, refused)


def label(model: Any, row: Record) -> Any:
    """What a model says of one row."""
    return model.predict([row])[0]["prediction"]


def centres_of(estimator: Any) -> Any:
    """By whichever name it keeps them."""
    found = next(value for name in CENTRES if (value := getattr(estimator, name, None)) is not None)
    return np.asarray(found, dtype=float)[:MOST_CENTRES]


def rows_between(centres: Any) -> list[Record]:
    """Half way between each two, and far out in the direction of each."""
    middles = [(centres[a] + centres[b]) / 2 for a, b in combinations(range(len(centres)), 2)]
    return [tuple(row.tolist()) for row in (*middles, *(centre * scale for scale in FAR for centre in centres))]


if __name__ == "__main__":
    sys.exit(main())

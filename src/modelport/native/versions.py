"""Which libraries belong together: what a file was saved by, and the environment in which it answers as it did.

scikit-learn's releases are from its release history; the NumPy, SciPy, joblib and pandas that each was released and tested with
from its changelog and its `min_dependencies.py`, and the interpreters from the names of its wheels. Beside the oldest stands
pandas 0.25, which runs with their NumPy: installers of today refuse the metadata of those before it (`pytz>=2011k`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelport.errors import ArtifactError
from modelport.native import boosters

_VERSION = re.compile(r"(0|[1-9]\d{0,3})(\.\d{1,4}){1,3}(rc\d{1,2}|\.post\d{1,2})?", re.ASCII)
"""Versions that have wheels. Nothing else of a file ever reaches an installer."""


@dataclass(frozen=True, slots=True)
class StoredVersions:
    """What a file tells of the libraries that saved it, by the name they are installed by.

    `needs` are those whose classes it names; `versions` of those that say so.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Need:
    """An environment: `requirements` is complete, so no dependency is looked up; `pythons` have wheels of them, best first."""

    requirements: tuple[str, ...]
    pythons: tuple[str, ...]

    @property
    def key(self) -> str:
        """Of the requirements; the interpreter is chosen later."""
        return hashlib.sha256("\n".join(sorted(self.requirements)).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return ", ".join(self.requirements)


@dataclass(frozen=True, slots=True)
class _Release:
    """A release of scikit-learn with its contemporaries: each below the version named."""

    pythons: str
    numpy: str
    scipy: str
    joblib: str
    pandas: str
    narwhals: bool = False

    def requirements(self) -> list[str]:
        """Its contemporaries, pandas apart."""
        bounds = {"numpy": self.numpy, "scipy": self.scipy, "joblib": self.joblib}
        return [*(f"{name}<{bound}" for name, bound in bounds.items()), "threadpoolctl"]


_RELEASES = {
    "0.18": _Release("3.6", "1.14", "0.20", "0.12", "0.26"),
    "0.19": _Release("3.6", "1.14", "0.20", "0.12", "0.26"),
    "0.20": _Release("3.7 3.6", "1.16", "1.2", "0.14", "0.26"),
    "0.21": _Release("3.7 3.6", "1.17", "1.4", "0.14", "0.26"),
    "0.22": _Release("3.8 3.7 3.6", "1.19", "1.5", "0.15", "1.1"),
    "0.23": _Release("3.8 3.7 3.6", "1.20", "1.6", "0.18", "1.2"),
    "0.24": _Release("3.8 3.9 3.7", "1.21", "1.7", "1.1", "1.3"),
    "1.0": _Release("3.9 3.8 3.10 3.7", "1.22", "1.8", "1.2", "1.4"),
    "1.1": _Release("3.10 3.9 3.8", "1.24", "1.10", "1.3", "1.6"),
    "1.2": _Release("3.10 3.9 3.11 3.8", "1.25", "1.11", "1.3", "1.6"),
    "1.3": _Release("3.11 3.10 3.9 3.12", "1.27", "1.12", "1.4", "2.2"),
    "1.4": _Release("3.11 3.10 3.12 3.9", "1.27", "1.13", "1.4", "2.3"),
    "1.5": _Release("3.11 3.12 3.10 3.9", "2.1", "1.15", "1.5", "2.3"),
    "1.6": _Release("3.12 3.11 3.13 3.10", "2.3", "1.16", "1.5", "2.3"),
    "1.7": _Release("3.12 3.11 3.13 3.10", "2.4", "1.17", "1.6", "2.4"),
    "1.8": _Release("3.12 3.13 3.11 3.14", "2.5", "1.18", "1.6", "3.0"),
    "1.9": _Release("3.12 3.13 3.11 3.14", "2.5", "1.19", "1.6", "3.2", narwhals=True),
}

_PANDAS = ("python-dateutil", "pytz", "six", "tzdata")
"""What pandas imports; the last one only some versions do, and none minds it."""

KNOWN = frozenset({"scikit-learn", "numpy", "scipy", "joblib", "pandas"}) | boosters.KNOWN
"""The libraries for which an environment is built. Others are refused: nothing of theirs is installed because a file says so."""


def is_version(text: str) -> bool:
    """Whether it is a released version, and nothing more."""
    return _VERSION.fullmatch(text) is not None


def series(version: str) -> str:
    """The first two numbers: 1.2 of 1.2.2."""
    return ".".join(version.split(".")[:2])


def needed(stored: StoredVersions) -> Need:
    """The environment in which a file was saved. Raises ArtifactError where that cannot be told, or is none that is known."""
    unknown = sorted(stored.needs - KNOWN)
    if unknown:
        raise ArtifactError(
            f"it needs {', '.join(unknown)}, whose version it does not store: install the versions that saved it"
        )
    if "scikit-learn" not in stored.needs and "scikit-learn" not in stored.versions:
        alone = boosters.series_beside(stored.versions)
        if alone:
            return _of_alone(stored, alone)
    version = stored.versions.get("scikit-learn", "")
    if not is_version(version):
        told = f"calls itself {version[:40]!r}, which is no release" if version else "is not stored in it"
        raise ArtifactError(
            f"the version of scikit-learn that saved it {told}: install the version that it was trained with, or train again"
        )
    release = _RELEASES.get(series(version))
    if release is None:
        first, last = next(iter(_RELEASES)), list(_RELEASES)[-1]
        raise ArtifactError(f"scikit-learn {version} has no known environment: those of {first} to {last} have")
    others = [r for name in sorted(stored.needs & boosters.KNOWN) for r in _of_other(name, stored, version)]
    pythons = release.pythons.split()
    if "skops" in stored.needs:  # the newer the interpreter, the newer the skops that there is for it
        pythons.sort(key=lambda python: -int(python.partition(".")[2]))
    return Need((f"scikit-learn=={version}", *_beside(release), *others), tuple(pythons))


def _of_alone(stored: StoredVersions, series_beside: str) -> Need:
    """Of a booster that is the whole model: its wrapper stores no version of scikit-learn, and needs one of its time."""
    release = _RELEASES[series_beside]
    others = [r for name in sorted(stored.needs & boosters.KNOWN) for r in _of_other(name, stored, series_beside)]
    sklearn = f"scikit-learn=={series_beside}.*"
    return Need((*others, sklearn, *_beside(release)), tuple(release.pythons.split()))


def _beside(release: _Release) -> list[str]:
    """Contemporaries; pandas always, since column names select columns only where a frame comes."""
    narwhals = ["narwhals"] if release.narwhals else []
    return [*release.requirements(), f"pandas<{release.pandas}", *_PANDAS, *narwhals]


def _of_other(library: str, stored: StoredVersions, version: str) -> list[str]:
    told = stored.versions.get(library, "")
    if told and not is_version(told.removesuffix(".*").removeprefix("v")) and told not in ("v2", "v3", "v4"):
        raise ArtifactError(f"the version of {library} that saved it calls itself {told[:40]!r}, which is no release")
    return boosters.requirements_of(library, told, tuple(map(int, series(version).split("."))))

"""Which library saved a model file in another version than the installed one: scikit-learn, or that of a booster inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modelport.artifacts.pickles.saved_by import names_booster, saved_by, shown
from modelport.errors import ArtifactError, UnprovenVersion

SCIKIT_LEARN = "scikit-learn"
BARE = "lightgbm.basic.Booster"
"""Pickled alone it is the text of a model file and nothing else, which LightGBM promises to read."""


@dataclass(frozen=True, slots=True)
class OtherVersion:
    """A library in the version that saved a model, and the one that is installed."""

    library: str
    version: str
    installed: str

    def __str__(self) -> str:
        return f"{self.library} {self.told}"

    @property
    def told(self) -> str:
        """The version; of LightGBM the format of the trees, since its files say no more."""
        version = shown(self.version)
        return f"with trees of format {version}" if self.version.startswith("v") else version

    @property
    def requirement(self) -> str:
        """What pip installs to have it, where that is known."""
        if not self.version.startswith("v"):
            return ""  # as the error says it: of a release, and of nothing else that a file may say
        from modelport.artifacts.pickles.boosters import earlier_than  # and NumPy: workers of other models do without

        return earlier_than(self.version)

    def unproven(self, what: str, differs: str, was_tried: bool = False) -> UnprovenVersion:
        """The error that refuses `what`; `differs` says what is known of the difference."""
        return UnprovenVersion(what, self.told, self.installed, differs, was_tried, self.library, self.requirement)


def other_version_in(file: Path, installed: Callable[[str], str]) -> OtherVersion | None:
    """What a file tells without being run. `installed` gives the version of a library here; of what is not here nothing is said."""
    here = installed(SCIKIT_LEARN)
    stored = saved_by(file) if here else ""
    if stored and stored != here:
        return OtherVersion(SCIKIT_LEARN, stored, here)
    return other_booster_in(file, installed)


def versions_in(files: Iterable[Path]) -> tuple[str, ...]:
    """Every version of scikit-learn that a part of these files names. They are read from end to end, and not run."""
    return tuple(sorted({version for file in files for version in _told_by_parts(file)}))


def several_in(files: Sequence[Path]) -> tuple[str, tuple[str, ...]] | None:
    """The library of which parts of these files name several versions, and those; None where each is named in one alone."""
    told = [(SCIKIT_LEARN, version) for version in versions_in(files)]
    told += [pair for file in files for pair in _told_by_boosters(file)]
    for library in dict.fromkeys(library for library, _ in told):
        versions = {version for other, version in told if other == library and version}
        if len(versions) > 1:
            return library, tuple(sorted(versions))
    return None


def of_several(what: str, library: str, versions: Iterable[str]) -> ArtifactError:
    """The error that refuses parts of several versions: what helps against one of them helps against none of the others."""
    own = library == SCIKIT_LEARN
    parts = f"parts of several versions of {library}" if own else f"boosters that several versions of {library} wrote"
    return ArtifactError(
        f"{what} holds {parts} ({', '.join(sorted(versions)[:4])}), so no single one, installed or in an environment of its "
        "own, can answer for it: train it again as a whole; who has compared the answers adds --trust-version where it is served "
        "or built"
    )


def other_booster_in(file: Path, installed: Callable[[str], str]) -> OtherVersion | None:
    """The same of boosters alone."""
    return next(_other_boosters(file, installed), None)


def untold_in(file: Path, installed: Callable[[str], str]) -> tuple[str, ...]:
    """What a file leaves open of the boosters in it, where it does not tell one release of a library from another."""
    found = [_untold(library, version, installed(library)) for library, version in _told_by_boosters(file)]
    return tuple(filter(None, found))


def _untold(library: str, version: str, here: str) -> str:
    if not version:
        return f"the file does not store which version of {library} wrote it: that {here} answers alike is not shown"
    if version.startswith("v"):
        return (
            f"the file stores the format of {library}'s trees ({version}), not the release that wrote them: that {here} answers "
            "as another release of that format is not shown"
        )
    return ""


def _other_boosters(file: Path, installed: Callable[[str], str]) -> Iterator[OtherVersion]:
    for library, version in _told_by_boosters(file):
        from modelport.artifacts.pickles.boosters import wrote

        here = installed(library)
        if here and version and not wrote(library, version, here):
            yield OtherVersion(library, version, here)


def _told_by_parts(file: Path) -> tuple[str, ...]:
    try:
        about = file.stat()
    except OSError:  # whoever reads it says so
        return ()
    return _read_parts(file, about.st_mtime_ns, about.st_size) if file.is_file() else ()


@lru_cache(maxsize=64)
def _read_parts(file: Path, _changed: int, _size: int) -> tuple[str, ...]:
    from modelport.artifacts.pickles.outline import read_outline  # and NumPy, as below

    try:
        told = [thing.attributes.get("_sklearn_version") for thing in read_outline(file).objects()]
    except Exception:  # a damaged pickle raises anything: whoever loads it says so
        return ()
    return tuple({shown(str(version)) for version in told if version is not None})


def _told_by_boosters(file: Path) -> tuple[tuple[str, str], ...]:
    try:
        about = file.stat()
    except OSError:  # whoever reads it says so
        return ()
    return _read_boosters(file, about.st_mtime_ns, about.st_size) if file.is_file() else ()


@lru_cache(maxsize=64)  # a start asks several times, and the file is read from end to end
def _read_boosters(file: Path, _changed: int, _size: int) -> tuple[tuple[str, str], ...]:
    """Each library with what its boosters say, or with nothing where they say nothing."""
    packed = file.suffix.lower() == ".skops"  # whose names are compressed, and whose outline is small
    if not packed and not names_booster(file):
        return ()
    from modelport.artifacts.pickles.boosters import told_versions
    from modelport.artifacts.pickles.outline import Named, read_outline  # and NumPy, which other files need not

    try:
        outline = read_outline(file)
    except Exception:  # a damaged pickle raises anything: whoever loads it says so
        return ()
    if isinstance(outline.root, Named) and outline.root.name == BARE:
        return ()
    told = told_versions(outline.objects())
    return tuple((library, version) for library in sorted(told) for version in sorted(told[library]) or [""])

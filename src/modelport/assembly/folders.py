"""Folders that are written whole: one appears when it is complete, and replaces nothing but one of its own kind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelport.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FolderKind:
    """What a folder is, and how that is told of one that lies there."""

    name: str
    is_one: Callable[[Path], bool]


def refuse_place(out: Path, kind: FolderKind, force: bool, needed: Sequence[Path] = ()) -> None:
    """Raise ConfigError where a folder cannot be written without loss: `needed` are files and folders that must stay.

    With `force`, what is of the same kind and an empty folder may be replaced; nothing else ever is.
    """
    try:
        _refuse_parents(out)
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            what = "a link" if out.is_symlink() else "no folder"
            raise ConfigError(f"{out} is there already, and is {what}: choose another place to write to")
        _refuse_loss(out, needed)
        if not out.exists():
            return
        if not force:
            raise ConfigError(f"{out} is there already; choose another --out, or say --force to replace it")
        if any(out.iterdir()) and not kind.is_one(out):
            raise ConfigError(f"{out} is there already, is no {kind.name}, and is not replaced: choose another place")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}") from None


def _refuse_parents(out: Path) -> None:
    there = next((parent for parent in out.parents if parent.exists()), None)
    if there is not None and not there.is_dir():
        raise ConfigError(f"{out} cannot be written: {there} is no folder")


def _refuse_loss(out: Path, needed: Sequence[Path]) -> None:
    place = out.resolve()
    for path in needed:
        if path.resolve().is_relative_to(place):
            raise ConfigError(f"{out} is not replaced, as {path} is needed and lies there: choose another place")
        if path.is_dir() and place.is_relative_to(path.resolve()):
            raise ConfigError(f"{out} lies inside {path}, which stays as it is: choose another place")
    if Path.cwd().is_relative_to(place):
        raise ConfigError(f"{out} is not replaced, as it is the current folder or holds it: choose another place")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill that takes its place when it is whole, and leaves nothing behind when it is not.

    What lies there when this is called is replaced: ask `refuse_place` first. Raises ConfigError where nothing can be written.
    """
    draft, replaces = None, out.exists()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        yield draft
        draft.chmod(0o755)
        _put(draft, out, replaces)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {_reason(error, draft)}") from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, out: Path, replaces: bool) -> None:
    """In its place. The old one is moved aside and removed last, so that there is always one of the two."""
    if not replaces:
        if os.path.lexists(out):  # renaming would replace an empty folder
            raise ConfigError(f"{out} was written by somebody else meanwhile, and is not replaced")
        draft.rename(out)
        return
    old = draft.with_name(f"{draft.name}-old")
    out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _reason(error: OSError, draft: Path | None) -> str:
    said = error.strerror or str(error)
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
    ours = named is None or draft is None or named.is_relative_to(draft)
    return said if ours else f"{said}: {named}"

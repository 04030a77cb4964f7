"""Where compiled models are kept between starts: a folder per digest of everything that decides what a model compiles to.

Where the cache cannot be written, as in a container whose root is read-only, a private folder for temporary files takes its place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

MODEL, FACTS, ABOUT, REFUSED = "model.onnx", "compiled.json", "about.json", "refused.json"
FORMAT = 2
"""Of the folder of a compiled model. One of another format is compiled anew."""

KEPT = 64
"""Folders; the ones that were used longest ago are removed."""


@dataclass(frozen=True, slots=True)
class About:
    """What is told of a compiled model beyond its parity. Memory is that of a process that holds it, in bytes.

    `digests` are those of the files, by name: a compiled model that was damaged is none.
    """

    digests: Mapping[str, str]
    notes: tuple[str, ...] = ()
    memory_before: int = 0
    memory_after: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Why this model is not compiled; it is not tried again."""

    reason: str
    notes: tuple[str, ...] = ()


class Cache:
    """Compiled models and refusals by key. One that can only be read is read, and what is new is kept in a private folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = (folder or default_folder()) / "compiled"

    def key(self, parts: Iterable[str]) -> str:
        """Of a model: what it was saved as, what was said about it, and what compiles it."""
        return hashlib.sha256("\0".join([str(FORMAT), *parts]).encode()).hexdigest()[:32]

    def compiled(self, key: str) -> Path | None:
        """The folder of a compiled model, if there is one."""
        return next((base / key for base in self._folders() if self._is_whole(base / key)), None)

    def _folders(self) -> list[Path]:
        private = private_folder()
        return [self.folder] if private is None else [self.folder, private]

    def _is_whole(self, folder: Path) -> bool:
        try:
            whole = self.about(folder).digests == digests_of(folder)
        except (OSError, msgspec.DecodeError):
            return False
        if not whole:
            shutil.rmtree(folder, ignore_errors=True)
            return False
        with suppress(OSError):
            os.utime(folder)
        return True

    def refused(self, key: str) -> Refused | None:
        """Why it was not compiled, if it was tried."""
        for base in self._folders():
            with suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode((base / key / REFUSED).read_bytes(), type=Refused)
        return None

    def refusal(self, key: str) -> Path | None:
        """The folder that says why it was not compiled, if it was tried."""
        return next((base / key for base in self._folders() if (base / key / REFUSED).is_file()), None)

    def about(self, folder: Path) -> About:
        """What is told of a compiled model."""
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Only one process at a time compiles a model; where nothing can be written, nobody waits."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = (self.folder / f"{key}.lock").open("wb")
        except OSError:
            yield
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def draft(self) -> Path:
        """A new folder to write to, in the private folder where the cache cannot be written. Raises OSError where neither can."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Path(tempfile.mkdtemp(prefix="draft-", dir=self.folder))
        except OSError as error:
            with suppress(OSError):
                private = private_folder(create=True) or tempfile.mkdtemp(prefix="modelport-")
                return Path(tempfile.mkdtemp(prefix="draft-", dir=private))
            raise error

    def is_elsewhere(self, draft: Path) -> bool:
        """Whether a draft lies outside of the cache, because that cannot be written."""
        return draft.parent != self.folder

    def keep(self, draft: Path, key: str) -> Path:
        """The draft is whole: put it in its place, unless somebody else was quicker."""
        target = draft.parent / key
        try:
            draft.rename(target)
        except OSError:
            shutil.rmtree(target if not self._is_whole(target) else draft, ignore_errors=True)
            if draft.is_dir():
                draft.rename(target)
        _prune(target.parent)
        return target

    def keep_refusal(self, key: str, refused: Refused) -> None:
        """Remember why it was not compiled."""
        draft = self.draft()
        (draft / REFUSED).write_bytes(msgspec.json.encode(refused))
        self.keep(draft, key)


def _prune(base: Path) -> None:
    with suppress(OSError):
        folders = sorted((p for p in base.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for folder in folders[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".lock").unlink(missing_ok=True)


def private_folder(create: bool = False) -> Path | None:
    """This user's own folder among the temporary files. None where there is none, or where somebody else could have put it there.

    Compiled models are trusted, so a folder that others own or may write to, or a link, is not looked into.
    """
    try:
        path = Path(tempfile.gettempdir()) / f"modelport-{os.geteuid()}"
        if create:
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
        found = path.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return path if ours else None


def write_about(folder: Path, notes: tuple[str, ...], memory_before: int, memory_after: int) -> None:
    """Beside a compiled model."""
    about = About(digests_of(folder), notes, memory_before, memory_after)
    (folder / ABOUT).write_bytes(msgspec.json.encode(about))


def digests_of(folder: Path) -> dict[str, str]:
    """Of the two files that are a compiled model. Raises OSError where one is missing."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (MODEL, FACTS)}


def runtime_version() -> str:
    """Of ONNX Runtime, whichever build is installed; empty where none is.

    Parity holds for the runtime that was asked: 1.21 to 1.23 accept the same graphs and round their thresholds.
    """
    names = ("onnxruntime", "onnxruntime-gpu")
    return next(filter(None, map(_version_by_folder, names)), "") or next(filter(None, map(_version, names)), "")


def _version_by_folder(name: str) -> str:
    """Of a package that pip has installed, by the folder beside it: to import what else tells it costs 10 ms of each start."""
    start, end = f"{name.replace('-', '_')}-", ".dist-info"
    for place in sys.path:
        with suppress(OSError):
            for found in os.listdir(place or "."):
                if found.startswith(start) and found.endswith(end):
                    return found[len(start) : -len(end)]
    return ""


def _version(name: str) -> str:
    """However it was installed; empty where it was not."""
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version(name)
    return ""


class _FeedGlance(msgspec.Struct):
    texts: list[msgspec.Raw] = []


class _Glance(msgspec.Struct):
    feed: _FeedGlance


def reads_text(folder: Path) -> bool:
    """Whether a compiled model reads free text. Raises OSError or msgspec.DecodeError where that cannot be told."""
    return bool(msgspec.json.decode((folder / FACTS).read_bytes(), type=_Glance).feed.texts)


def default_folder() -> Path:
    """The user's cache folder (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "modelport"

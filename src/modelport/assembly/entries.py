"""What lies in the cache folder: environments, proofs, compiled models, and what was left unfinished; told, removed, checked.

A service holds a shared lock on a file of each entry that it needs for as long as it runs, so that what is in use stays.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelport.assembly import starts
from modelport.compilation.cache import ABOUT as COMPILED_ABOUT
from modelport.compilation.cache import MODEL, REFUSED, Cache
from modelport.errors import ConfigError
from modelport.native import environments, proofs
from modelport.native.locks import IN_USE, is_held, take_alone
from modelport.native.proofs import Proof, saved_with

ENVIRONMENT, PROOF, COMPILED, START, UNFINISHED = "environment", "proof", "compiled", "start", "unfinished"
KINDS = (ENVIRONMENT, PROOF, COMPILED, START, UNFINISHED)
FRESH_S = 3600.0
"""For so long what is unfinished may still be written by somebody who takes no lock."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be removed: `size` in bytes, `used` when it was last needed, in seconds since 1970."""

    kind: str
    key: str
    what: str
    path: Path
    size: int
    used: float
    in_use: bool


def entries(folder: Path) -> list[Entry]:
    """Everything in a cache folder, the largest first within each kind."""
    found = [*_environments(folder), *_proofs(folder), *_compiled(folder), *_starts(folder)]
    return sorted(found, key=lambda entry: (KINDS.index(entry.kind), -entry.size))


def _environments(folder: Path) -> Iterator[Entry]:
    for path in _inside(folder / environments.FOLDER):
        if not path.is_dir() or path.is_symlink():
            continue
        about = environments.read_environment(path)
        if about is None or path.name.startswith(environments.DRAFT):
            what = "left by a build or a removal that was cut short"
            key = path.name.removeprefix(environments.DRAFT).partition("-")[0]
            yield _entry(UNFINISHED, path, what, path.with_name(f"{key}.lock"))
            continue
        libraries = [f"{name} {about.versions[name]}" for name in _FIRST if name in about.versions]
        what = f"{', '.join(libraries)}, Python {about.versions.get('python', '?')}"
        yield _entry(ENVIRONMENT, path, what, path / environments.ABOUT, about.size)


_FIRST = ("scikit-learn", "xgboost", "lightgbm", "catboost", "imbalanced-learn", "skops")
"""The libraries that an environment is told by."""


def _proofs(folder: Path) -> Iterator[Entry]:
    for path in _inside(folder / proofs.FOLDER):
        try:
            proof = msgspec.json.decode(path.read_bytes(), type=Proof)
        except (OSError, msgspec.DecodeError):
            yield _entry(UNFINISHED, path, "a proof that was not written whole", path)
            continue
        how = "by the table" if proof.by_table else f"{proof.rows:,} rows"
        yield _entry(PROOF, path, f"saved by {saved_with(proof.stored, proof.beside)}, {proof.way}, {how}", path)


def _compiled(folder: Path) -> Iterator[Entry]:
    for path in _inside(Cache(folder).folder):
        if not path.is_dir():
            continue
        if (path / MODEL).is_file() and (path / COMPILED_ABOUT).is_file():
            yield _entry(COMPILED, path, "a compiled model", path)
        elif (path / REFUSED).is_file():
            yield _entry(COMPILED, path, "why a model is not compiled, or not converted", path)
        else:
            yield _entry(UNFINISHED, path, "left by a compilation that was cut short", path)


def _starts(folder: Path) -> Iterator[Entry]:
    for path in _inside(folder / starts.FOLDER):
        yield _entry(START, path, "what served a model at its last start", path)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix != ".lock")
    except OSError:
        return []


def _entry(kind: str, path: Path, what: str, marker: Path, size: int = 0) -> Entry:
    used = 0.0
    with suppress(OSError):
        used = path.stat().st_mtime
    fresh = kind == UNFINISHED and marker.suffix != ".lock" and time.time() - used < FRESH_S
    return Entry(kind, path.stem, what, path, size or _size(path), used, fresh or is_held(marker))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() or file.is_symlink())


# -- removing ----------------------------------------------------------------------------------------------------------


def chosen(found: Iterable[Entry], keys: Iterable[str], kinds: Iterable[str], unused_days: float) -> list[Entry]:
    """Those that have one of the keys, or the start of one, or are of one of the kinds; of them those that rested for so long.

    Raises ConfigError for a key that nothing has, or several have.
    """
    found, wanted = list(found), list(kinds)
    picked = [entry for entry in found if entry.kind in wanted]
    for key in keys:
        having = [entry for entry in found if entry.key == key] or [e for e in found if key and e.key.startswith(key)]
        if len(having) != 1:
            told = f"{len(having)} entries have" if having else "nothing has"
            raise ConfigError(f"{told} the key {key!r} in the cache: run  modelport cache list  to see the keys")
        picked += having
    latest = time.time() - unused_days * 86400
    return [entry for entry in dict.fromkeys(picked) if unused_days <= 0 or entry.used < latest]


def remove(entry: Entry) -> bool:
    """Whether it is gone; what is in use stays. It is set aside first, so nobody ever finds half of it. Raises OSError."""
    descriptor = IN_USE if entry.in_use else take_alone(_marker(entry))
    if descriptor == IN_USE:
        return False
    try:
        _remove(entry.path)
    except FileNotFoundError:  # somebody else was quicker
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
        return
    aside = tempfile.mkdtemp(prefix=f"{environments.DRAFT}removed-", dir=path.parent)
    os.rename(path, aside)
    shutil.rmtree(aside)


def _marker(entry: Entry) -> Path:
    if entry.kind == ENVIRONMENT:
        return entry.path / environments.ABOUT
    if entry.path.name.startswith(environments.DRAFT) and entry.path.parent.name == environments.FOLDER:
        return entry.path.with_name(f"{entry.path.name.removeprefix(environments.DRAFT).partition('-')[0]}.lock")
    return entry.path


# -- checking ----------------------------------------------------------------------------------------------------------


def changed_files(environment: Path) -> list[str]:
    """The files of an environment that are missing, or are not those of the wheels that they came in."""
    found = []
    for packages in environment.glob("lib/python*/site-packages"):
        for record in sorted(packages.glob("*.dist-info/RECORD")):
            with record.open(encoding="utf-8", newline="") as lines:
                found += [row[0] for row in csv.reader(lines) if len(row) > 1 and not _is_as_listed(packages, *row[:2])]
    return found


def _is_as_listed(packages: Path, name: str, listed: str) -> bool:
    """Programs name the interpreter that they were installed for, and lie elsewhere; they are never run."""
    method, _, wanted = listed.partition("=")
    if not listed or name.startswith(("..", "bin/", "/")) or method not in ("sha256", "sha384", "sha512"):
        return True
    try:
        digest = hashlib.new(method, (packages / name).read_bytes()).digest()
    except OSError:
        return False
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == wanted.rstrip("=")

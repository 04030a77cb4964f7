"""The digest of an artifact: the version that every answer names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from modelport.artifacts.companions import companions

VERSION_LENGTH = 12


def digest_path(path: Path) -> str:
    """SHA-256 of a file with its companions, or of a folder's files with their relative names, in hexadecimal."""
    if path.is_file():
        beside = companions(path)
        if not beside:
            return _digest_file(path)
        return hashlib.sha256("\n".join(map(_digest_file, (path, *beside))).encode()).hexdigest()
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{_digest_file(file)}\n".encode())
    return total.hexdigest()


def digest_files(path: Path, helpers: Sequence[Path]) -> str:
    """Of an artifact with the files beside it, in their order; without any, that of the artifact alone."""
    if not helpers:
        return digest_path(path)
    return hashlib.sha256("\n".join(map(digest_path, (path, *helpers))).encode()).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

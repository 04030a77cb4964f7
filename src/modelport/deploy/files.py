"""Writes what was made, all of it or nothing, and never over what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from modelport.errors import ConfigError


def check_folder(folder: Path) -> None:
    """Raise ConfigError where nothing could be written, before anything is started for it."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{folder} cannot be written to: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder} cannot be written to: {there} is not yours to write in; choose another --out")


def check_free(folder: Path, files: Mapping[str, str], force: bool) -> None:
    """Raise ConfigError where another text lies already where one of these is to lie."""
    there = [path for path, text in _placed(folder, files).items() if _is_there(path) and _differs(path, text)]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise ConfigError(f"{there[0]}{more} is there already, and differs; choose another --out, or say --force")


def write_files(folder: Path, files: Mapping[str, str], force: bool) -> list[Path]:
    """Write texts by their paths below a folder. Raises ConfigError where one is there already, before any is written."""
    check_free(folder, files, force)
    paths = _placed(folder, files)
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return list(paths)


def _placed(folder: Path, files: Mapping[str, str]) -> dict[Path, str]:
    return {folder / name: text for name, text in files.items()}


def _is_there(path: Path) -> bool:
    """A link that leads nowhere is there, too: what is written would go where it leads."""
    return path.exists() or path.is_symlink()


def _differs(path: Path, text: str) -> bool:
    """A second run that would write the same is no loss."""
    try:
        return path.read_text(encoding="utf-8") != text
    except (OSError, UnicodeDecodeError):
        return True

"""The Python interpreters of this machine, by version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelport.errors import ArtifactError

ASK_S = 10.0
_ASK = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.implementation.name)"
_FOLDER = re.compile(r"(?:cpython-)?(\d+\.\d+)(\.\d+)?([.-].*)?")


def find_interpreters(wanted: Sequence[str]) -> list[tuple[str, Path]]:
    """Of each version (3.8, 3.7) that is here the first interpreter that works. Raises ArtifactError with what to install."""
    found = [(version, path) for version in wanted if (path := _working(version)) is not None]
    if found:
        return found
    first = wanted[0]
    raise ArtifactError(
        f"it needs Python {' or '.join(wanted)}, and none of these is on this machine: run  uv python install {first}  or  "
        f"pyenv install {first}"
    )


def _working(version: str) -> Path | None:
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    """This interpreter, those of uv and pyenv, whatever is on the PATH."""
    if version == "{}.{}".format(*sys.version_info[:2]):
        yield Path(sys.base_prefix) / "bin" / f"python{version}"
    for folder in _managers():
        yield from _kept(folder, version)
    found = shutil.which(f"python{version}")
    if found:
        yield Path(found)


def _managers() -> list[Path]:
    """The folders in which tools keep interpreters."""
    home = Path(os.path.expanduser("~"))
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [
        Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"),
        Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
    ]


def _kept(folder: Path, version: str) -> Iterator[Path]:
    """The interpreters of a version in a folder of many, the newest first."""
    if not folder.is_dir():
        return
    for each in sorted(folder.iterdir(), reverse=True):
        match = _FOLDER.fullmatch(each.name)
        if match is not None and match[1] == version:
            yield each / "bin" / f"python{version}"


def _runs(path: Path, version: str) -> bool:
    """Whether it is CPython of that version, and works: what pyenv puts on the PATH may lead nowhere."""
    try:
        asked = [str(path), "-S", "-s", "-E", "-c", _ASK]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.split() == [version, "cpython"]

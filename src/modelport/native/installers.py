"""Installing wheels for another interpreter: by uv where it is there, else by pip."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from modelport.errors import ArtifactError
from modelport.native.versions import Need


class NotHere(Exception):
    """These versions cannot be had for this interpreter on this machine; for another one perhaps."""


LIMIT_S = 540.0
"""Of one installation; a package index that is not reached is given up much sooner by the installers themselves."""

_MISSING = re.compile(
    r"no matching distribution found for (\S+)|no (?:wheels|version of|solution)[^\n]*?([a-z-]+==\S+)", re.I
)
_UNREACHABLE = re.compile(
    r"connection|temporary failure|name resolution|timed out|network|dns error|proxy|unreachable|certificate", re.I
)
_FULL = re.compile(r"no space left on device|os error 28|disk quota exceeded", re.I)


def install(need: Need, version: str, python: Path, target: Path, done: Callable[[float], None]) -> None:
    """Put the wheels of an environment into a folder. `version` is that of the interpreter, as in 3.8.

    Dependencies are not looked up: the list is complete, and what others declared since is none of it. Raises NotHere, or
    ArtifactError where no other interpreter will do either.
    """
    failed = ""
    with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as temporary:
        for command in _commands(need, version, python, target):
            said, code = _run(command, len(need.requirements), temporary, done)
            if code == 0:
                return
            failed = failed or said
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
    raise _told(need, version, failed, target)


def _commands(need: Need, version: str, python: Path, target: Path) -> Iterator[list[str]]:
    wheels = ["--only-binary", ":all:", "--no-deps", "--target", str(target)]
    uv = shutil.which("uv") or _beside_us("uv")
    if uv:
        yield [uv, "pip", "install", "--python", str(python), *wheels, *need.requirements]
    if importlib.util.find_spec("pip") is not None:
        ours = [sys.executable, "-m", "pip", "install", "--python-version", version, "--implementation", "cp"]
        yield [*ours, "--no-compile", "--disable-pip-version-check", "--retries", "2", *wheels, *need.requirements]
    if (
        not uv and importlib.util.find_spec("pip") is None
    ):  # an environment of uv's, say: the other one may bring its own
        yield [str(python), "-m", "pip", "install", "--no-compile", *wheels, *need.requirements]


def _beside_us(name: str) -> str | None:
    """A program that was installed beside this interpreter."""
    path = Path(sys.prefix) / "bin" / name
    return str(path) if os.access(path, os.X_OK) else None


def _run(command: list[str], count: int, temporary: str, done: Callable[[float], None]) -> tuple[str, int]:
    """What it said, and its exit code. Each package is told twice: when it is found, and when it is there.

    Temporary files go where the packages go: the usual folder may be small, and pip unpacks everything there first.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": temporary},
        )
    except OSError as error:
        return str(error), 127
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            found = sum(line.startswith(("Collecting", " + ")) for line in lines)
            done(min(found / count, 1.0))
        return "".join(lines[-60:]), process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.communicate()  # waits for its end, and closes what it spoke through


def _told(need: Need, version: str, said: str, target: Path) -> Exception:
    """What went wrong, in one line."""
    if _FULL.search(said):
        return ArtifactError(
            f"{need.requirements[0]} cannot be installed, because the disk of {target.parents[3]} is full: such an environment "
            "takes 200 to 700 MB; make room with  modelport cache remove,  or say --cache-dir FOLDER"
        )
    match = _MISSING.search(said)
    if match is not None and not _UNREACHABLE.search(said):
        return NotHere(f"there is no wheel of {match[1] or match[2]} for Python {version} on this platform")
    if _UNREACHABLE.search(said):
        return ArtifactError(
            f"{need.requirements[0]} cannot be installed, because the package index is not reached: build the environment once "
            "where it is, or serve a bundle that was built there"
        )
    last = (said.strip().splitlines() or ["nothing was said"])[-1]
    return NotHere(f"{need.requirements[0]} cannot be installed for Python {version}: {last[:300]}")

"""The process of a native environment that is started before anything else is imported: its libraries take the longest.

Whoever asks the environment later finds it with the model read, or nearly so. Imports next to nothing itself.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("foreign.py")


@dataclass(frozen=True, slots=True)
class EarlyProcess:
    """One that was told to read `file` when it was started, and whose first answer is what that holds; of none, it waits."""

    process: subprocess.Popen[bytes]
    file: str


_started: dict[str, EarlyProcess] = {}


def command_in(folder: Path, script: Path, *arguments: str) -> list[str]:
    """Runs a script with the libraries of an environment, and nothing of the caller's: no variables, no packages of the user."""
    return [str(folder / "bin" / "python"), "-I", str(script), *arguments]


def told_path(path: Path) -> str:
    """A model's file as the other side is told of it: in its folder without links, under its own name, which companions go by."""
    return str(path.parent.resolve() / path.name)


def start_process(folder: Path, late: bool, *files: str) -> subprocess.Popen[bytes]:
    """One that speaks through its standard input and output, and ends when the former does. Raises OSError.

    `late`: it imports some of its libraries when they are used; `files`: what it is to read at once.
    """
    command = command_in(folder, SCRIPT, "late" if late else "all", *files)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def start_early(folder: str, file: str, late: bool) -> None:
    """Start it, if that can be done: whoever takes it later says what is wrong where it cannot. `file` may be empty."""
    try:
        _started[folder] = EarlyProcess(start_process(Path(folder), late, *([file] if file else [])), file)
    except OSError:
        return


def take_early(folder: Path) -> EarlyProcess | None:
    """The process of this environment, once."""
    return _started.pop(str(folder), None)

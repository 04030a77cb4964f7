"""Start a server on one core, find all its processes, and stop exactly these."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from modelport.errors import SetupError

STOP_GRACE_S = 10.0

# Variables of the caller's shell that would change what a contestant does. Without byte code files, start-up times
# would be those of a compiler.
LEFT_OUT = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONHOME", "WEB_CONCURRENCY"}
LEFT_OUT_PREFIXES = ("MODELPORT_", "UVICORN_", "GUNICORN_", "GRANIAN_", "FLASK_", "OMP_")


class ProcessId(NamedTuple):
    """A process for good: the kernel gives a number away again, but never with the same start time."""

    pid: int
    started_ticks: int


class _Stat(NamedTuple):
    id: ProcessId
    parent: int
    session: int


@dataclass(frozen=True)
class ServerProcess:
    """A server that was started here, and when."""

    process: subprocess.Popen[bytes]
    started_s: float
    port: int
    log: Path

    def check_alive(self) -> None:
        """Raise, with the end of the log, when the server has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise SetupError(f"the server ended by itself with exit code {code}; its log ends with:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the last lines that the server wrote."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-20:])


def child_environment() -> dict[str, str]:
    """Return the caller's environment without what would change how a contestant runs."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in LEFT_OUT and not name.startswith(LEFT_OUT_PREFIXES)
    }


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    command: Sequence[str],
    *,
    core: int | str,
    cwd: Path,
    log: Path,
    port: int | None = None,
    variables: Mapping[str, str] | None = None,
    grace_s: float = STOP_GRACE_S,
) -> Iterator[ServerProcess]:
    """Run a server on one core, or on a list such as "0,1", while the block lasts; ``{port}`` becomes a free port.

    `variables` are added to its environment; `grace_s` is how long it may take to end.
    """
    port = port or free_port()
    pinned = ["taskset", "-c", str(core), *(part.format(port=port) for part in command)]
    with log.open("wb") as output:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            pinned,
            cwd=cwd,
            env=child_environment() | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the benchmark alone, which then stops the server in order
        )
    try:
        yield ServerProcess(process, started_s, port, log)
    finally:
        stop(process, grace_s)


def stop(process: subprocess.Popen[bytes], grace_s: float = STOP_GRACE_S) -> None:
    """Ask the server to end, then end what is left of its tree.

    The tree is taken before the signal: an orphan can no longer be found through its parent.
    """
    members = tree(process.pid)
    process.terminate()
    try:
        process.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    still_there = {stat.id for stat in _all_stats()}
    for member in members:
        if member in still_there:
            _kill(member.pid)


def tree(pid: int) -> list[ProcessId]:
    """Return a process, all its descendants, and whoever else lives in its session."""
    stats = _all_stats()
    found = {stat.id.pid for stat in stats if stat.id.pid == pid or stat.session == pid}
    size = 0
    while size != len(found):
        size = len(found)
        found |= {stat.id.pid for stat in stats if stat.parent in found}
    return [stat.id for stat in stats if stat.id.pid in found]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _all_stats() -> list[_Stat]:
    stats = (_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [stat for stat in stats if stat is not None]


def _stat(pid: int) -> _Stat | None:
    """Read one line of the process table; the fields follow the command's name, which may hold any character."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return _Stat(ProcessId(pid, int(fields[19])), parent=int(fields[1]), session=int(fields[3]))

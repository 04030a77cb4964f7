"""What a service really takes, found by running it: seconds to its first answer, memory idle and under load, processes."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.config import ENV_PREFIX, ServeOptions
from modelport.deploy.footprint import footprint, process_tree
from modelport.deploy.load import LOAD_SECONDS, LOOK_EVERY_S, ask, examples, get, growth, largest, put_under_load
from modelport.deploy.subject import Subject
from modelport.errors import ArtifactError

START_LIMIT_S = 600.0
POLL_SECONDS = 0.02
LEAST_STANDBY_S = 10.0
"""A standby is waited for as long as three starts take, and at least for so long."""
LARGEST_BODY = 16 * 2**20
"""What is asked as a whole; larger ones take as much for each of their bytes."""
AS_LARGE = 0.8
"""A standby has loaded when it takes this much of what the process takes that serves."""
LINUX = sys.platform == "linux"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """The findings. Memory in bytes, over all processes, what they share counted once."""

    start_s: float
    idle_bytes: int
    peak_bytes: int
    own_processes: int
    """Models that run in a process of their own."""
    call_s: float
    """The slowest of the calls that were answered."""
    workers: int = 1
    inline_models: int = 0
    """Models that run where calls are read."""
    rows_per_s: Mapping[str, float | None] = field(default_factory=dict)
    """What each model with a process of its own answered under load; None where nothing was answered."""
    body_factor: float = 1.0
    """Bytes of memory that a byte of a large body takes."""


def measure(
    subject: Subject, variables: Mapping[str, str], workers: int, options: ServeOptions, tell: Tell
) -> Measured:
    """Start it as its container will, ask it for some seconds, stop it. Raises ArtifactError where it does not start."""
    tell(f"starting {subject.target} to see what it takes")
    with _running(subject, variables, workers) as started:
        port, start_s = started.port, started.start_s
        try:
            models = get(port, "/models")["models"]
            own = [model["name"] for model in models if model["executor"] == "process"]
            if options.standby:
                _await_standbys(port, own, max(LEAST_STANDBY_S, 3 * start_s))
            idle = started.memory()
            tell(f"ready after {start_s:.2f} s, {idle / 1e6:.0f} MB; asking it for {LOAD_SECONDS:.0f} s")
            load = put_under_load(port, examples(port), started.memory)
            most = min(options.max_body, LARGEST_BODY)
            factor = max((growth(port, body, started.memory) for body in largest(port, most)), default=1.0)
        except (OSError, http.client.HTTPException) as error:
            raise ArtifactError(started.last_words(f"does not go on when it is asked ({error})")) from None
    if not load.answered:
        tell(
            "note: none of its examples was answered, so its memory is that of a service that nobody asks: raise the limit"
        )
    rows_per_s = {name: load.rows_per_s.get(name) for name in own}
    peak = max(started.peak_bytes, idle, load.peak_bytes)
    inline = len(models) - len(own)
    _tell_of_bodies(factor * most, peak, tell)
    return Measured(start_s, idle, peak, len(own), load.slowest_s, workers, inline, rows_per_s, factor)


def _tell_of_bodies(body_bytes: float, peak_bytes: int, tell: Tell) -> None:
    if body_bytes > peak_bytes:
        tell(
            f"note: one body of --max-body takes {body_bytes / 1e6:.0f} MB while it is read, and decides the limit of memory; "
            f"where callers send smaller ones, say so: --env {ENV_PREFIX}MAX_BODY=1MiB"
        )


def _await_standbys(port: int, models: Sequence[str], limit_s: float) -> None:
    """They begin to load when the first ones serve, and take as much memory as these. They are not awaited for long."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and not _all_stand_by(get(port, "/status")["processes"], models):
        time.sleep(10 * POLL_SECONDS)


def _all_stand_by(processes: Sequence[Mapping[str, Any]], models: Sequence[str]) -> bool:
    sizes = defaultdict[str, list[int]](list)
    for process in processes:
        if process["role"] == "holder":
            sizes[process.get("model", "")].append(process["memory_bytes"] or 0)
    return all(len(sizes[model]) > 1 and min(sizes[model]) >= AS_LARGE * max(sizes[model]) for model in models)


@dataclass(slots=True)
class _Started:
    """The service, as it runs here."""

    process: subprocess.Popen[bytes]
    port: int
    target: str
    log: Any
    start_s: float = 0.0
    peak_bytes: int = 0
    """While it started: a model may be compiled then, in a process that is gone later."""

    def memory(self) -> int:
        """Of all its processes and theirs, as a container of its own would be charged with it."""
        alone = footprint(process_tree(self.process.pid))
        if alone is not None:
            return alone
        return sum(process["memory_bytes"] or 0 for process in get(self.port, "/status")["processes"])

    def last_words(self, what: str) -> str:
        """What it said of it."""
        self.log.seek(0)
        said = [line for line in self.log.read().decode(errors="replace").splitlines() if line.strip()]
        last = said[-1].removeprefix("modelport: ") if said else "it said nothing"
        asked = re.search(r"--(allow-\w+)", last)  # an option of serve, which is told by the environment here
        variable = f"; here: --env {ENV_PREFIX}{asked[1].replace('-', '_').upper()}=on" if asked else ""
        return f"{self.target} {what}, so it cannot be shipped: {last}{variable}"

    def await_ready(self) -> None:
        """Raises ArtifactError where it ends instead."""
        began = looked = time.monotonic()
        while not _is_ready(self.port):
            now = time.monotonic()
            if self.process.poll() is not None:
                raise ArtifactError(self.last_words("does not start"))
            if now - began > START_LIMIT_S:
                raise ArtifactError(f"{self.target} was not ready after {START_LIMIT_S:.0f} s")
            if now - looked > LOOK_EVERY_S and LINUX:
                looked, self.peak_bytes = now, max(self.peak_bytes, self.memory())
            time.sleep(POLL_SECONDS)
        self.start_s = time.monotonic() - began


@contextmanager
def _running(subject: Subject, variables: Mapping[str, str], workers: int) -> Iterator[_Started]:
    """Without what this machine has kept of its models: a container keeps nothing from one start to the next."""
    port = _free_port()
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as cache, _place(subject) as (folder, target):
        options = ("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers))
        command = [sys.executable, "-m", "modelport", "serve", target, *options]
        process = _start(command, folder, {ENV_PREFIX + "CACHE_DIR": cache, **variables}, log)
        started = _Started(process, port, subject.target, log)
        try:
            started.await_ready()
            yield started
        finally:
            _end(process)


@contextmanager
def _place(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Where it is started, and as what: a bundle is alone in its image, a service among its files."""
    if subject.is_service:
        yield subject.folder, subject.target
        return
    with tempfile.TemporaryDirectory() as empty:
        yield Path(empty), str(subject.folder / subject.target)


def _start(command: list[str], folder: Path, variables: Mapping[str, str], log: Any) -> subprocess.Popen[bytes]:
    """With what its user says of it, and nothing that this shell says of services of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment = {**kept, **variables}
    environment.pop("NOTIFY_SOCKET", None)
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """The second signal ends it at once, whatever it works on still."""
    for patience_s in (2, 10):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False

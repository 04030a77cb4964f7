"""What a service really takes, found by running it: seconds to its first answer, memory idle and under load, processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from modelport.config import ENV_PREFIX
from modelport.deploy.subject import Subject
from modelport.errors import ArtifactError

START_LIMIT_S = 600.0
POLL_SECONDS = 0.02
LOAD_SECONDS = 3.0
CALLERS = 8
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


def measure(subject: Subject, variables: Mapping[str, str], workers: int, tell: Tell) -> Measured:
    """Start it as its container will, ask it for some seconds, stop it. Raises ArtifactError where it does not start."""
    tell(f"starting {subject.target} to see what it takes")
    with _running(subject, variables, workers) as (port, start_s, ended):
        try:
            own = sum(model["executor"] == "process" for model in _get(port, "/models")["models"])
            idle = memory_of(port)
            tell(f"ready after {start_s:.2f} s, {idle / 1e6:.0f} MB; asking it for {LOAD_SECONDS:.0f} s")
            peak, slowest = _load(port, _requests(port))
        except (OSError, http.client.HTTPException) as error:
            raise ArtifactError(ended(f"does not go on when it is asked ({error})")) from None
        return Measured(start_s, idle, max(idle, peak), own, slowest, workers)


def memory_of(port: int) -> int:
    """Of all its processes and the supervisor."""
    status = _get(port, "/status")
    return sum(process["memory_bytes"] for process in status["processes"])


@contextmanager
def _running(
    subject: Subject, variables: Mapping[str, str], workers: int
) -> Iterator[tuple[int, float, Callable[[str], str]]]:
    port = _free_port()
    with tempfile.TemporaryFile() as log, _place(subject) as (folder, target):
        options = ("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers))
        command = [sys.executable, "-m", "modelport", "serve", target, *options]
        started = time.monotonic()
        process = _start(command, folder, variables, log)
        try:
            while not _is_ready(port):
                if process.poll() is not None:
                    raise ArtifactError(_last_words(subject.target, log, "does not start"))
                if time.monotonic() - started > START_LIMIT_S:
                    raise ArtifactError(f"{subject.target} was not ready after {START_LIMIT_S:.0f} s")
                time.sleep(POLL_SECONDS)
            yield port, time.monotonic() - started, partial(_last_words, subject.target, log)
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
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(source: str, log: Any, what: str) -> str:
    log.seek(0)
    said = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    last = said[-1].removeprefix("modelport: ") if said else "it said nothing"
    return f"{source} {what}, so it cannot be shipped: {last}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    try:
        return _ask(port, "GET", "/readyz")[0] == 200
    except OSError:
        return False


def _get(port: int, path: str) -> Any:
    return json.loads(_ask(port, "GET", path)[1])


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# -- load --------------------------------------------------------------------------------------------------------------


def _requests(port: int) -> list[tuple[str, bytes]]:
    """Every model's own example, alone and as a list of 64."""
    asked = []
    for model in _get(port, "/models")["models"]:
        example = model.get("example")
        if example is not None:
            path = f"/models/{quote(model['name'])}/predict"
            asked += [(path, json.dumps(example).encode()), (path, json.dumps([example] * 64).encode())]
    return asked


def _load(port: int, requests: list[tuple[str, bytes]]) -> tuple[int, float]:
    """The most memory seen, and the longest call."""
    until = time.monotonic() + (LOAD_SECONDS if requests else 0)
    slowest = [0.0] * CALLERS

    def call(number: int) -> None:
        turn = number
        while time.monotonic() < until:
            path, body = requests[turn % len(requests)]
            turn += 1
            began = time.monotonic()
            try:
                status, _ = _ask(port, "POST", path, body)
            except (OSError, http.client.HTTPException):  # whether it is gone is for who looks at its memory to say
                return
            if status == 200:
                slowest[number] = max(slowest[number], time.monotonic() - began)

    callers = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    peak = 0
    while time.monotonic() < until:
        time.sleep(0.25)
        peak = max(peak, memory_of(port))
    for caller in callers:
        caller.join(60)
    return peak, max(slowest)

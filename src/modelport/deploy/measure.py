"""What a service really takes, found by running it: seconds to its first answer, memory idle and under load, processes."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def measure(source: str, folder: Path, workers: int, tell: Tell) -> Measured:
    """Start it as its container will, ask it for some seconds, stop it. Raises ArtifactError where it does not start."""
    tell(f"starting {source} to see what it takes")
    with _running(source, folder, workers) as (port, start_s):
        own = sum(model["executor"] == "process" for model in _get(port, "/models")["models"])
        idle = memory_of(port)
        tell(f"ready after {start_s:.2f} s, {idle / 1e6:.0f} MB; asking it for {LOAD_SECONDS:.0f} s")
        peak, slowest = _load(port, _requests(port))
        return Measured(start_s, idle, max(idle, peak), own, slowest, workers)


def memory_of(port: int) -> int:
    """Of all its processes and the supervisor."""
    status = _get(port, "/status")
    return sum(process["memory_bytes"] for process in status["processes"])


@contextmanager
def _running(source: str, folder: Path, workers: int) -> Iterator[tuple[int, float]]:
    port = _free_port()
    command = [sys.executable, "-m", "modelport", "serve", source, "--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryFile() as log:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            while not _is_ready(port):
                if process.poll() is not None:
                    raise ArtifactError(_last_words(source, log))
                if time.monotonic() - started > START_LIMIT_S:
                    raise ArtifactError(f"{source} was not ready after {START_LIMIT_S:.0f} s")
                time.sleep(POLL_SECONDS)
            yield port, time.monotonic() - started
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(source: str, log: Any) -> str:
    log.seek(0)
    said = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    last = said[-1].removeprefix("modelport: ") if said else "it said nothing"
    return f"{source} does not start, so it cannot be shipped: {last}"


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
            path = f"/models/{model['name']}/predict"
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
            status, _ = _ask(port, "POST", path, body)
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

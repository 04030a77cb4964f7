"""A served Python app or artifact in real processes, for tests that kill, stall and overload it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

READY_S = 40.0


@dataclass(frozen=True)
class Answer:
    """What a caller got; status 0 where the connection ended without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """A running `modelport serve`."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request on a connection of its own."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
        started = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, got, response.read(), time.monotonic() - started)
        except (OSError, HTTPException):
            return Answer(0, {}, b"", time.monotonic() - started)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET a page."""
        return self.ask("GET", path)

    def predict(self, body: Any, model: str = "", **headers: str) -> Answer:
        """POST a body."""
        return self.ask("POST", f"/models/{model}/predict" if model else "/predict", body, **headers)

    def predict_later(self, body: Any, model: str = "", **headers: str) -> Future[Answer]:
        """The same in a thread."""
        return self.pool.submit(lambda: self.predict(body, model, **headers))

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 10.0, times: int = 1) -> str:
        """Until it has written something."""
        until(lambda: self.text().count(text) >= times, seconds, lambda: f"no {text!r} in:\n{self.text()}")
        return self.text()

    def signal(self, number: int) -> None:
        """Signal the supervisor."""
        os.kill(self.process.pid, number)

    def children(self, role: str = "") -> list[int]:
        """The processes it has started, by role: worker or holder."""
        return [pid for pid, command in descendants(self.process.pid) if f"assembly.{role}" in command]


def until(holds: Callable[[], bool], seconds: float, message: Callable[[], str] = lambda: "it did not happen") -> None:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, message()
        time.sleep(0.01)


def descendants(pid: int) -> list[tuple[int, str]]:
    """Every process below this one, with its command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return [(each, command_of(each)) for each in found[1:]]


def command_of(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def write_app(folder: Path, models: str, name: str = "app.py") -> Path:
    """An app file from the text of its models."""
    path = folder / name
    head = "import os, time, ctypes, asyncio, pathlib\nfrom modelport import Service\nservice = Service('test')\n"
    path.write_text(head + textwrap.dedent(models))
    return path


@contextmanager
def serve(target: Path, *flags: str, ready: bool = True) -> Iterator[Served]:
    """Serve for the length of a block, on a free port."""
    log = target.parent / "log.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELPORT_")}
    command = [sys.executable, "-m", "modelport", "serve", target.name, "--port", "0", "--drain-delay", "0.2", *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=target.parent, env=environment)
    served = Served(process, log)
    before = []
    try:
        if ready:
            until(lambda: _is_ready(served), READY_S, lambda: f"not ready:\n{served.text()}")
        yield served
    finally:
        before = descendants(process.pid)
        _end(process)
        served.pool.shutdown(wait=False, cancel_futures=True)
        for pid, command_line in before:
            if command_line and command_of(pid) == command_line:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _is_ready(served: Served) -> bool:
    assert served.process.poll() is None, served.text()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", served.text())
    if found is None:
        return False
    served.port = int(found[1])
    return served.get("/readyz").status == 200


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

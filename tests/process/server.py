"""A real `modelport serve` in a child process, and raw connections to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60.0
STEP_SECONDS = 0.02


def child_environment(**more: str) -> dict[str, str]:
    """The environment for a child: nothing of ours set, and the tests' own modules importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELPORT_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **more}


def command_of(pid: int) -> str:
    """The command line of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Return as soon as it holds; fail with its name where it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(STEP_SECONDS)


@dataclass
class Server:
    """A running service. Its output goes to files, so that it can never wait for a reader."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    scheme: str = "http"
    _killed: bool = field(default=False, repr=False)

    @classmethod
    def start(
        cls, artifact: Path, *flags: object, folder: Path, ready: bool = True, scheme: str = "http", **environ: str
    ) -> Self:
        """Start in `folder`, and wait until the service is ready, unless told not to."""
        port = free_port()
        delay = [] if "--drain-delay" in flags else ["--drain-delay", "0"]  # a second at every end, else
        options = ["serve", str(artifact), "--port", str(port), *delay, *map(str, flags)]
        return cls.run([sys.executable, "-m", "modelport", *options], port, folder, ready, scheme, environ)

    @classmethod
    def run(
        cls, command: list[str], port: int, folder: Path, ready: bool, scheme: str = "http", environ: Any = None
    ) -> Self:
        """Start any command that serves on the port."""
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            environment = child_environment(**(environ or {}))
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        server = cls(process, port, folder, scheme)
        try:
            if ready:
                wait_until(server._is_ready_or_gone, "the service is ready", START_SECONDS)
            assert server.process.poll() is None, f"it ended at once:\n{server.stderr}"
        except BaseException:
            server.stop()
            raise
        return server

    def _is_ready_or_gone(self) -> bool:
        return self.process.poll() is not None or self.readiness()[0] == 200

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        """What it has complained of so far."""
        return (self.folder / "stderr").read_text()

    def stop(self, seconds: float = 40.0) -> int:
        """Ask it to end, by its pid; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                for pid in [*self.children(), self.process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
                raise
        return self.process.returncode

    def workers(self) -> list[int]:
        """The pids of its HTTP workers."""
        return [pid for pid in self.children() if "assembly.worker" in command_of(pid)]

    def children(self) -> list[int]:
        """The pids of all its processes but the supervisor."""
        try:
            pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [int(pid) for pid in pids.split()]

    def connect(self, seconds: float = 20.0) -> Connection:
        """A new connection."""
        raw = socket.create_connection(("127.0.0.1", self.port), seconds)
        if self.scheme == "http":
            return Connection(raw)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Connection(context.wrap_socket(raw))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on its own connection."""
        with self.connect() as connection:
            connection.send(request(method, path, body, **headers))
            return connection.read(method)

    def predict(self, record: object, **headers: str) -> Answer:
        """Ask for a prediction."""
        return self.ask("POST", "/predict", json.dumps(record).encode(), **headers)

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """What /readyz says; 0 where nobody listens."""
        try:
            answer = self.ask("GET", "/readyz")
        except (OSError, http.client.HTTPException):
            return 0, {}
        return answer.status, answer.json()


@dataclass(frozen=True)
class Answer:
    """One whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class Connection:
    """A raw connection: bytes out, responses in, in order."""

    def __init__(self, raw: socket.socket) -> None:
        self.socket = raw
        self._file = raw.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        """Send each part as a packet of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            self.socket.sendall(part)

    def send_what_it_takes(self, parts: Iterator[bytes]) -> int:
        """Send until the other side takes no more; how many bytes went."""
        sent = 0
        with contextlib.suppress(OSError):
            for part in parts:
                self.socket.sendall(part)
                sent += len(part)
        return sent

    def read(self, method: str = "POST") -> Answer:
        """The next response, of which nothing is taken from the one after it."""
        response = http.client.HTTPResponse(_Shared(self._file), method=method)  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def read_line(self) -> bytes:
        """One line as it comes."""
        return bytes(self._file.readline())

    def is_closed_by_peer(self) -> bool:
        """Wait for the other side to close; false where it sends instead."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


class _Shared:
    """What http.client takes for a socket: gives the one buffered file to every response, and lets none close it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def makefile(self, mode: str) -> Any:
        """The file, unclosable."""
        return self

    def close(self) -> None:
        """Stay open for the next response."""

    def flush(self) -> None:
        """Nothing is written."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def request(method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """The bytes of one request; `content_type="…"` becomes a header. None leaves a default header out."""
    fields = {"host": "test", **({} if body is None else {"content-type": "application/json"})}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def chunked(*parts: bytes) -> bytes:
    """A body in chunks, whole."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

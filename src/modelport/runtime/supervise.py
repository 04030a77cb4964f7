"""The parent process: owns the listening socket, starts the workers by command line, watches them, passes signals on.

It imports no user code and no machine-learning library, so nothing that a model does can take it down.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

GRACE_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0

Event = dict[str, Any]
Log = Callable[[str], None]


class StartFailed(Exception):
    """A worker said that the service cannot start; the message is for the user."""


@dataclass(slots=True)
class Child:
    """One worker process and the channel to it."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    started: float
    ready: bool = False
    buffer: bytes = b""

    def tell(self, message: str) -> None:
        """Send a line; a child that is gone hears nothing."""
        try:
            self.channel.sendall(message.encode() + b"\n")
        except OSError:
            return


@dataclass(slots=True)
class Supervisor:
    """Keeps `count` workers running until a signal. `run` returns the exit code."""

    command: Sequence[str]
    listener: socket.socket
    count: int
    on_ready: Callable[[Event], None]
    log: Log
    children: list[Child] = field(default_factory=list)
    announced: bool = False
    stopping: bool = False
    deadline: float = 0.0
    restarts: list[float] = field(default_factory=list)
    failures: int = 0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> int:
        """Start the workers, watch them, stop them. Raises StartFailed where none can start."""
        wake, previous = self._catch_signals()
        try:
            for _ in range(self.count):
                self._spawn(listen_now=True)
            while self.children or self.restarts:
                self._step()
        finally:
            self._kill_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
            for end in wake:
                end.close()
        return 0

    def _catch_signals(self) -> tuple[tuple[socket.socket, socket.socket], dict[int, Any]]:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        return (reader, writer), {int(n): signal.signal(n, self._on_signal) for n in numbers}

    def _on_signal(self, number: int, frame: object) -> None:
        if number == signal.SIGCHLD:
            return
        if self.stopping:  # a second one means now
            self.deadline = 0.0
        self.stop()

    def stop(self) -> None:
        """Ask every worker to finish what it has and to end."""
        if not self.stopping:
            self.stopping = True
            self.restarts.clear()
            self.deadline = time.monotonic() + GRACE_SECONDS
            for child in self.children:
                child.process.terminate()

    def _spawn(self, listen_now: bool) -> None:
        ours, theirs = socket.socketpair()
        command = [*self.command, str(self.listener.fileno()), str(theirs.fileno()), "now" if listen_now else "ready"]
        process = subprocess.Popen(command, pass_fds=(self.listener.fileno(), theirs.fileno()), start_new_session=True)
        theirs.close()
        ours.setblocking(False)
        child = Child(process, ours, time.monotonic())
        self.children.append(child)
        self._selector.register(ours, selectors.EVENT_READ, child)

    # -- one turn ------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        for key, _ in self._selector.select(self._wait_s()):
            if key.data is None:
                key.fileobj.recv(4096)  # type: ignore[union-attr]
            else:
                self._read(key.data)
        self._reap()
        self._restart_due()
        if self.stopping and time.monotonic() > self.deadline:
            self._kill_all()

    def _wait_s(self) -> float:
        now = time.monotonic()
        due = [*self.restarts, *([self.deadline] if self.stopping else [])]
        return max(0.0, min([1.0, *(moment - now for moment in due)]))

    def _read(self, child: Child) -> None:
        try:
            data = child.channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(child.channel)
            return
        *lines, child.buffer = (child.buffer + data).split(b"\n")
        for line in lines:
            self._handle(child, json.loads(line))

    def _handle(self, child: Child, event: Event) -> None:
        if event["event"] == "failed":
            raise StartFailed(event["error"])
        if event["event"] == "ready":
            child.ready = True
            self.failures = 0
            if self.announced:
                child.tell("serve")
            elif all(c.ready for c in self.children):
                self.announced = True
                for each in self.children:
                    each.tell("serve")
                self.on_ready(event)

    def _reap(self) -> None:
        for child in [c for c in self.children if c.process.poll() is not None]:
            if child.channel.fileno() in self._selector.get_map():
                self._read(child)  # its last words
            self._forget(child)
            if not self.stopping:
                self._on_death(child)

    def _forget(self, child: Child) -> None:
        self.children.remove(child)
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)
        child.channel.close()

    def _on_death(self, child: Child) -> None:
        how = describe_exit(child.process.returncode)
        if not self.announced:
            raise StartFailed(f"a worker ended while it was starting: {how}")
        self.failures += 1
        wait_s = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (self.failures - 1))
        self.log(f"worker {child.process.pid} ended: {how}; starting another in {wait_s:g} s")
        self.restarts.append(time.monotonic() + wait_s)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for _ in [moment for moment in self.restarts if moment <= now]:
            self._spawn(listen_now=not self.children)
        self.restarts = [moment for moment in self.restarts if moment > now]

    def _kill_all(self) -> None:
        for child in list(self.children):
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
            self._forget(child)


def describe_exit(code: int) -> str:
    """`exit code 3`, or the name of the signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def worker_command(module: str, config: dict[str, Any]) -> list[str]:
    """The command line of a worker. `-P` keeps a file of the user's called `random.py` from shadowing the library."""
    return [sys.executable, "-P", "-m", module, json.dumps(config)]


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises OSError; a port in use is refused, though address reuse is on for quick restarts."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.set_inheritable(True)
    except OSError:
        listener.close()
        raise
    return listener

"""The parent process: owns the sockets, starts workers and holders by command line, watches them, passes signals on.

It imports no user code and no machine-learning library, so nothing that a model does can take it down.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from modelport.runtime.children import Child, StartFailed, describe_exit, spawn
from modelport.runtime.holders import Board, Death, HolderGroup, unix_listener

WATCH_SECONDS = 0.05
HOLDER_SLOTS = 4  # of one model: the active, the standby, and those that are leaving

Event = dict[str, Any]
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `worker` and `holder` are command lines; a child's slot and channel are appended to them."""

    worker: Callable[[str], list[str]]
    """From the folder of the holders' sockets to the command of an HTTP worker."""
    holder: Callable[[str | None], list[str]]
    """From a model's name, or None for a process that first reads which models there are, to its command."""
    workers: int
    catalog: bool
    """Whether the models are declared in Python, so that a holder must say which they are."""
    holder_threads: int = 1
    standby: bool = True
    grace_s: float = 30.0


@dataclass(slots=True)
class Supervisor:
    """Keeps the service running until a signal. `run` returns the exit code."""

    plan: Plan
    listener: socket.socket
    board: Board
    board_fd: int
    on_ready: Callable[[Event], None]
    log: Log
    workers: list[Child] = field(default_factory=list)
    groups: dict[str, HolderGroup] = field(default_factory=dict)
    catalog: Child | None = None
    models: list[str] = field(default_factory=list)
    announced: bool = False
    stopping: bool = False
    deadline: float = 0.0
    exit_code: int = 0
    restarts: list[tuple[float, int]] = field(default_factory=list)
    failures: int = 0
    reload: list[Child] = field(default_factory=list)
    reload_asked: bool = False
    folder: str = ""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _signals: list[int] = field(default_factory=list)

    # -- life ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start everything, watch it, stop it. Raises StartFailed where the service cannot start."""
        self.folder = tempfile.mkdtemp(prefix="modelport-")
        wake, previous = self._catch_signals()
        try:
            if self.plan.catalog:
                self.catalog = self._spawn_holder(None, self._holder_slots(0)[0])
            for slot in range(self.plan.workers):
                self._spawn_worker(slot, "now")
            while self.workers or self.restarts or self._holders():
                self._step()
        finally:
            self._kill_all()
            self._release_signals(wake, previous)
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.exit_code

    def stop(self, code: int = 0) -> None:
        """Ask everybody to finish and end: workers first, since holders answer them."""
        if not self.stopping:
            self.stopping = True
            self.exit_code = code
            self.restarts.clear()
            self.listener.close()  # the workers have theirs; who comes when they are gone is refused, not left waiting
            self.deadline = time.monotonic() + self.plan.grace_s
            for child in self.workers:
                child.retire()
            self._stop_holders_when_alone()

    def _stop_holders_when_alone(self) -> None:
        if self.stopping and not self.workers:
            for child in self._holders():
                child.retire()

    def _catch_signals(self) -> tuple[tuple[socket.socket, socket.socket], dict[int, Any]]:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
        return (reader, writer), {int(n): signal.signal(n, lambda n, _: self._signals.append(n)) for n in numbers}

    def _release_signals(self, wake: tuple[socket.socket, socket.socket], previous: dict[int, Any]) -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        for end in wake:
            end.close()

    def _obey_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                self.reload_asked = True
            elif number in (signal.SIGTERM, signal.SIGINT):
                if self.stopping:  # a second one means now
                    self.deadline = 0.0
                self.stop()

    # -- children ------------------------------------------------------------------------------------------------

    def _spawn_worker(self, slot: int, listen: str) -> Child:
        command = [*self.plan.worker(self.folder), str(self.listener.fileno()), str(self.board_fd), listen]
        child = spawn("worker", slot, command, (self.listener.fileno(), self.board_fd), threads=1)
        self.workers.append(child)
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        if self.plan.catalog and self.models:
            child.tell({"do": "models", "names": self.models})
        for name, group in self.groups.items():
            if group.description is not None and group.active is not None:
                child.tell({"do": "model", "name": name, "index": self.models.index(name), **group.description})
        return child

    def _spawn_holder(self, model: str | None, slot: int) -> Child:
        index = self.models.index(model) if model is not None else 0
        command = [*self.plan.holder(model), str(self.board_fd), str(index)]
        child = spawn("holder", slot, command, (self.board_fd,), self.plan.holder_threads)
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def _holder_slots(self, index: int) -> list[int]:
        first = self.plan.workers * 2 + index * HOLDER_SLOTS  # workers have two: the second is for a reload
        return list(range(first, first + HOLDER_SLOTS))

    def _holders(self) -> list[Child]:
        children = [child for group in self.groups.values() for child in group.children()]
        return children + ([self.catalog] if self.catalog else [])

    def _add_group(self, model: str) -> HolderGroup:
        self.models.append(model)
        index = len(self.models) - 1
        group = HolderGroup(
            model,
            index,
            unix_listener(self.folder, index),
            self._holder_slots(index),
            lambda slot: self._spawn_holder(model, slot),
            self.board,
            self.log,
            keep_standby=self.plan.standby,
        )
        self.groups[model] = group
        return group

    # -- one turn ------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        for key, _ in self._selector.select(self._wait_s()):
            if key.data is None:
                key.fileobj.recv(4096)  # type: ignore[union-attr]
            else:
                self._read(key.data)
        self._obey_signals()
        self._reap()
        now = time.monotonic()
        if self.stopping:
            if now > self.deadline:
                self._kill_all()
            return
        for group in self.groups.values():
            group.watch(now)
        self._restart_due(now)
        if self.reload_asked and self._settled():
            self._begin_reload()
        if self.announced and self.groups and all(group.hopeless for group in self.groups.values()):
            self.log("no model can be kept running; giving up")
            self.stop(1)

    def _wait_s(self) -> float:
        now = time.monotonic()
        due = [moment - now for moment, _ in self.restarts]
        if self.stopping:
            due.append(self.deadline - now)
        return max(0.0, min([WATCH_SECONDS if self.groups else 1.0, *due]))

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
        kind = event.pop("event")
        if child.role == "worker":
            {"ready": self._worker_ready, "failed": self._start_failed, "need": self._worker_needs}[kind](child, event)
        else:
            {"ready": self._holder_ready, "failed": self._start_failed, "catalog": self._catalog_read}[kind](
                child, event
            )

    def _start_failed(self, child: Child, event: Event) -> None:
        """Before the service was announced this ends it; afterwards the old one goes on."""
        if not self.announced:
            raise StartFailed(event["error"])
        goes_on = "; the old one goes on" if child in self.reload else ""
        self.log(f"a new {child.role} failed to start: {event['error']}{goes_on}")
        child.kill("it failed to start")

    # -- workers -------------------------------------------------------------------------------------------------

    def _worker_needs(self, child: Child, event: Event) -> None:
        """The worker found that this model belongs into a holder."""
        if event["model"] not in self.groups:
            self._add_group(event["model"]).begin()

    def _worker_ready(self, child: Child, event: Event) -> None:
        child.ready = True
        self.failures = 0
        if self.announced:
            child.tell({"do": "serve"})
            self._finish_reload(child)
        elif all(c.ready for c in self.workers):
            self.announced = True
            self.on_ready(event)  # whoever sees the service ready can read the banner
            for each in self.workers:
                each.tell({"do": "serve"})

    def _restart_due(self, now: float) -> None:
        due = [slot for moment, slot in self.restarts if moment <= now]
        self.restarts = [(moment, slot) for moment, slot in self.restarts if moment > now]
        answered = self.workers or all(group.active for group in self.groups.values())
        for slot in due:  # callers wait at the socket for the moment that it takes, unless a model must be loaded first
            self._spawn_worker(slot, "ready" if answered else "now")

    # -- holders -------------------------------------------------------------------------------------------------

    def _catalog_read(self, child: Child, event: Event) -> None:
        """The Python service was imported: these are its models. The process that read it holds the first."""
        self.catalog = None
        for name in event["models"]:
            group = self._add_group(name)
            if name == event["models"][0]:
                group.adopt(child)
                child.tell({"do": "hold", "model": name, "index": 0})
            else:
                group.begin()
        for worker in self.workers:
            worker.tell({"do": "models", "names": event["models"]})

    def _group_of(self, child: Child) -> HolderGroup | None:
        return next((group for group in self.groups.values() if child in group.children()), None)

    def _holder_ready(self, child: Child, event: Event) -> None:
        group = self._group_of(child)
        if group is None:
            return
        group.on_ready(child, event)
        if child in self.reload:
            self.reload.remove(child)
            group.hand_over(child)
        for worker in self.workers:
            worker.tell({"do": "model", "name": group.model, "index": self.models.index(group.model), **event})

    # -- reload --------------------------------------------------------------------------------------------------

    def _settled(self) -> bool:
        """Whether the last reload is over to the last old process: until then its places on the board are taken."""
        children = [*self.workers, *self._holders()]
        return self.announced and not self.reload and not any(child.retired for child in children)

    def _begin_reload(self) -> None:
        """SIGHUP: new workers beside the old, which leave when the new are ready; new holders likewise."""
        self.log("reloading")
        self.reload_asked = False
        self.reload = [group.replace() for group in self.groups.values()]
        for old in list(self.workers):
            slot = old.slot + self.plan.workers if old.slot < self.plan.workers else old.slot - self.plan.workers
            self.reload.append(self._spawn_worker(slot, "ready"))

    def _finish_reload(self, child: Child) -> None:
        if child in self.reload:
            self.reload.remove(child)
            pair = (child.slot + self.plan.workers) % (2 * self.plan.workers)
            self.restarts = [(moment, slot) for moment, slot in self.restarts if slot != pair]
            for old in [w for w in self.workers if w.slot == pair and not w.retired]:
                old.retire()

    # -- ends ----------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in [c for c in [*self.workers, *self._holders()] if c.process.poll() is not None]:
            if child.channel.fileno() in self._selector.get_map():
                self._read(child)  # its last words
            group = self._group_of(child)
            if child is self.catalog:
                self.catalog = None
            if group is not None:
                self._tell_death(group.model, group.on_death(child, time.monotonic()))
            if child in self.workers:
                self.workers.remove(child)
                self.board.clear_gauges(child.slot)
            self._close(child)
            if not self.stopping and not child.retired:
                self._on_death(child)
            self._stop_holders_when_alone()

    def _tell_death(self, model: str, death: Death | None) -> None:
        """What ran when a holder died, so that the workers can ask for everything else again."""
        if death is None:
            return
        running = None if death.running is None else [digest.hex() for digest in death.running]
        refused = [digest.hex() for digest in death.refused]
        for worker in self.workers:
            worker.tell({"do": "died", "model": model, "running": running, "refused": refused})

    def _on_death(self, child: Child) -> None:
        if not self.announced and not child.kill_reason:
            raise StartFailed(f"a {child.role} ended while it was starting: {describe_exit(child)}")
        if child in self.reload:
            self.reload.remove(child)
            return
        if child.role != "worker":
            return
        self.failures += 1
        self.board.count_restart("worker")
        wait_s = min(30.0, 0.1 * 2 ** (self.failures - 1))
        self.log(f"worker {child.process.pid} ended: {describe_exit(child)}; starting another in {wait_s:g} s")
        self.restarts.append((time.monotonic() + wait_s, child.slot))

    def _close(self, child: Child) -> None:
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)
        child.channel.close()

    def _kill_all(self) -> None:
        for child in [*self.workers, *self._holders()]:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
            self._close(child)
        self.workers.clear()
        self.groups.clear()
        self.catalog = None
        self.restarts.clear()


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises OSError; a port in use is refused, though address reuse is on for quick restarts."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, address = found[0]
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

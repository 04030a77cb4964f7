"""The parent process: owns the sockets, starts workers and holders by command line, watches them, passes signals on.

It imports no user code and no machine-learning library, so nothing that a model does can take it down.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from modelport.kernel.names import is_mounted
from modelport.runtime import orders
from modelport.runtime.channel import BadLine
from modelport.runtime.children import Child, StartFailed, bury_orphans, describe_exit, frozen_reason, spawn
from modelport.runtime.compilers import SavedModels
from modelport.runtime.editions import Development
from modelport.runtime.events import take_kind
from modelport.runtime.forms import Form, Source
from modelport.runtime.holders import Board, HolderGroup
from modelport.runtime.listeners import Meeting
from modelport.runtime.plan import Plan
from modelport.runtime.reload import Reload
from modelport.runtime.restarts import Restarts
from modelport.runtime.signals import Signals
from modelport.runtime.switchboard import Switchboard

WATCH_SECONDS = 0.05
ASLEEP_SECONDS = 2.0  # between two looks: then it was we who stood still
HOLDER_SLOTS = 4  # of one model: the active, the standby, the successor in a reload, and those that are leaving

Event = dict[str, Any]


class Log(Protocol):
    """Writes a line of the supervisor."""

    def __call__(self, message: str, level: str = "warning") -> None:
        """`level`: as in the logging package."""


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
    saved: SavedModels = field(init=False)
    models: list[str] = field(default_factory=list)
    """Every model there has been, in the order of its place on the board: its figures are never another's."""
    served: list[str] = field(default_factory=list)
    web: bool = False  # whether the workers serve routes and mounted applications, too
    announced: bool = False
    stopping: bool = False
    deadline: float = 0.0
    exit_code: int = 0
    restarts: Restarts = field(default_factory=Restarts)
    reload: Reload | None = None
    reload_asked: bool = False
    development: Development = field(init=False)
    meeting: Meeting = field(init=False)
    _looked_at: float = field(default_factory=time.monotonic)
    _awake_since: float = 0.0
    switchboard: Switchboard = field(default_factory=Switchboard)
    _signals: Signals = field(init=False)

    # -- life ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start everything, watch it, stop it. Raises StartFailed where the service cannot start."""
        try:
            self.meeting = Meeting.arrange()
        except OSError as error:
            raise StartFailed(f"no folder for its sockets can be made: {error.strerror}; set TMPDIR") from None
        self._signals = Signals()
        self.switchboard.wake_on(self._signals.reader)
        self.saved, self.development = SavedModels(self), Development(self.plan.reload)
        try:
            if not self.plan.catalog:
                self._serve_models(list(self.plan.saved), self.plan.saved)
            else:
                self.catalog = self._spawn_holder(None, self._holder_slots(0)[-1])  # it may hold the first model
            for slot in range(self.plan.workers):
                self.spawn_worker(slot, "now")
            while self.workers or self.restarts.planned or self._holders():
                self._step()
        finally:
            self._kill_all()
            self._signals.close()
            self.meeting.clear()
        return self.exit_code

    def stop(self, code: int = 0) -> None:
        """Ask everybody to finish and end: workers first, since holders answer them."""
        if not self.stopping:
            self.stopping = True
            self.exit_code = code
            self.restarts.planned.clear()
            self.listener.close()  # the workers have theirs; who comes when they are gone is refused, not left waiting
            self.deadline = time.monotonic() + self.plan.stop_s
            for child in [*self.workers, *self.saved.children]:
                child.retire()
            self._stop_holders_when_alone()

    def _stop_holders_when_alone(self) -> None:
        if self.stopping and not self.workers:
            for child in self._holders():
                child.retire()

    def _name_late(self) -> None:
        for child in [*self.workers, *self._holders()]:
            group = self.group_of(child)
            name = f"{child.role} {child.process.pid}{f' of {group.model}' if group else ''}"
            self.log(f"{name} had not ended in time and is killed")

    def _obey_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGHUP:
                self.reload_asked, self.development.changed = True, []
            elif number in (signal.SIGTERM, signal.SIGINT):
                if self.stopping:  # a second one means now
                    self.deadline = 0.0
                self.stop()

    # -- children ------------------------------------------------------------------------------------------------

    def spawn_worker(self, slot: int, listen: str) -> Child:
        """An HTTP worker that listens `now`, or when it is `ready`."""
        command = [*self.plan.worker(self.meeting.place), str(self.listener.fileno()), str(self.board_fd), listen]
        child = spawn("worker", slot, command, (self.listener.fileno(), self.board_fd), threads=1)
        self.workers.append(child)
        self.switchboard.listen_to(child)
        orders.introduce(self, child)
        return child

    def _distrust(self, child: Child, why: str) -> None:
        """End a child that does not keep to what was agreed, and hear it no more."""
        if not self.announced:
            raise StartFailed(f"a {child.role} was killed while it was starting: {why}")
        self.switchboard.forget(child)
        child.kill(f"killed: {why}")

    def _spawn_holder(self, model: str | None, slot: int) -> Child:
        index = self.models.index(model) if model is not None else -1
        compilers = self.saved.current.get(model or "")
        source, form = (None, None) if compilers is None else (compilers.source, compilers.form)
        command = [*self.plan.holder(model, source, form), self.meeting.place, str(self.board_fd), str(index)]
        child = spawn("holder", slot, command, (self.board_fd,), self.threads_per_model())
        child.footprint = self.development.read.footprints.get(model or "", "")
        self.switchboard.listen_to(child)
        if model is not None and source is None:  # its code may call the others
            orders.introduce(self, child)
        return child

    def threads_per_model(self) -> int:
        """One budget for all: what the cores give to each model."""
        return max(1, self.plan.cores // max(1, len(self.groups)))

    def _holder_slots(self, index: int) -> list[int]:
        first = self.plan.workers * 2 + 1 + index * HOLDER_SLOTS
        return list(range(first, first + HOLDER_SLOTS))

    def spawn_catalog(self) -> Child:
        """A process that reads which models the service in Python declares now."""
        self.catalog = self._spawn_holder(None, self.plan.workers * 2)
        return self.catalog

    def _holders(self) -> list[Child]:
        children = [child for group in self.groups.values() for child in group.children()]
        return [*children, *self.saved.children, *([self.catalog] if self.catalog else [])]

    def place(self, model: str) -> int:
        """Where a model counts on the board. Raises StartFailed where there is no room for it."""
        if len(self.models) == self.plan.max_models and model not in self.models:
            raise StartFailed(f"a service has at most {self.plan.max_models} models")
        if model not in self.models:
            self.models.append(model)
        return self.models.index(model)

    def callers(self) -> list[Child]:
        """Every process that calls models: workers, and holders of models in Python."""
        in_python = [group for group in self.groups.values() if group.model not in self.saved.current]
        return [*self.workers, *(child for group in in_python for child in group.children())]

    def add_group(self, model: str) -> HolderGroup:
        """A model that is to be held. Raises StartFailed where the board has no room for it."""
        index = self.place(model)
        try:
            listener = self.meeting.listen(index)
        except OSError as error:
            raise StartFailed(f"no socket for its holder can be opened: {error.strerror or error}") from None
        group = HolderGroup(
            model,
            index,
            listener,
            self._holder_slots(index),
            lambda slot: self._spawn_holder(model, slot),
            self.board,
            self.log,
            lambda group: orders.tell_all(self, group),
            keep_standby=self.plan.standby,
        )
        self.groups[model] = group
        return group

    # -- one turn ------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        for stuck in self.switchboard.flush():
            self._distrust(stuck, "it does not read what it is told")
        for child in self.switchboard.wait(self._wait_s()):
            if child is None:
                self._signals.drain()
            else:
                self._read(child)
        self._obey_signals()
        self._reap()
        now = time.monotonic()
        if self.stopping:
            if now > self.deadline:
                self._name_late()
                self._kill_all()
            return
        self._watch(now)
        self._restart_due(now)
        self.development.turn(self, now)
        self._begin_or_continue_reload()
        hopeless = self.groups and all(group.hopeless for group in self.groups.values())
        if self.announced and hopeless and not self.saved.any_local:
            self.log("no model can be kept running; giving up", "error")
            self.stop(1)

    def _watch(self, now: float) -> None:
        if now - self._looked_at > ASLEEP_SECONDS:
            self._awake_since = now
        self._looked_at = now
        self.saved.watch(now)
        for group in self.groups.values():
            group.watch(now, self._awake_since)
            if group.strikes.expire(now):
                orders.tell_refused(self, group)
        self.restarts.watch(now, all(worker.ready for worker in self.workers))
        for worker in self.workers:
            reason = frozen_reason(self.board.last_beat(worker.slot), now, self._awake_since)
            if reason and not worker.kill_reason:
                worker.kill(reason)

    def _wait_s(self) -> float:
        now = time.monotonic()
        due = [moment - now for moment, _ in self.restarts.planned]
        if self.stopping:
            due.append(self.deadline - now)
        return max(0.0, min([WATCH_SECONDS if self.groups or self.plan.reload else 1.0, *due]))

    def _read(self, child: Child) -> None:
        """Take what it says; a line that is no message ends it, not us."""
        try:
            for event in child.line.receive():
                self._handle(child, event)
        except BadLine as error:
            return self._distrust(child, f"it sent what is no message: {error}")
        if child.line.closed:
            self.switchboard.forget(child)
        return None

    def _handle(self, child: Child, event: Event) -> None:
        kind = take_kind(child.role, event)
        if (kind == "catalog" and child is not self.catalog) or (kind == "form" and not self.saved.current):
            raise BadLine(f"{kind!r}, which it was not asked for")
        if kind == "failed":
            self._start_failed(child, event)
        elif child.role == "worker":
            {"ready": self._worker_ready, "form": self._worker_looked, "left": orders.obeyed}[kind](child, event)
        elif child.role == "compiler":
            compilers = self.saved.of(child)
            assert compilers is not None
            compilers.heard(child, kind, event)
        else:
            {"ready": self._holder_ready, "catalog": self._catalog_read}[kind](child, event)

    def _start_failed(self, child: Child, event: Event) -> None:
        """Before the service was announced this ends it; afterwards the old one goes on."""
        if not self.announced:
            raise StartFailed(event["error"])
        self.development.watch.expect(event.get("files", {}))
        self.log(f"a new {child.role} failed to start: {event['error']}", "error")
        child.kill("it failed to start")
        child.retired = self._not_reloaded(child, self.group_of(child))  # nobody needs another in its place

    # -- workers -------------------------------------------------------------------------------------------------

    def _worker_ready(self, child: Child, event: Event) -> None:
        self.restarts.quiet_since = time.monotonic()
        child.begin_work(self.restarts.quiet_since)
        if self.announced:
            child.tell({"do": "serve"})
            self._replace_worker(child)
        elif all(c.ready for c in self.workers):
            self.announced = True
            self.development.begin(self.groups.values())
            self.on_ready(event)  # whoever sees the service ready can read the banner
            for each in self.workers:
                each.tell({"do": "serve"})

    def _restart_due(self, now: float) -> None:
        answered = self.workers or all(group.active for group in self.groups.values())
        # callers wait at the socket for the moment that it takes, unless a model must be loaded first
        for slot in self.restarts.take_due(now):
            try:
                self.spawn_worker(slot, "ready" if answered else "now")
            except StartFailed as error:
                self._restart_worker(slot, str(error))

    def _worker_looked(self, child: Child, event: Event) -> None:
        self.saved.looked(child, event.pop("model"), event)

    def form_decided(self, model: str, form: Form) -> None:
        """Which form of a saved model serves: tell the workers, and have it held if they do not run it themselves."""
        for caller in self.callers():
            caller.tell({"do": "form", "model": model, **form})
        if model in self.groups:
            orders.tell_all(self, self.groups[model])
        if self.reload is not None:
            self._advance(partial(self.reload.form_decided, model, form["executor"]))
        elif form["executor"] == "process":
            self.add_group(model).begin()

    # -- holders -------------------------------------------------------------------------------------------------

    def _catalog_read(self, child: Child, event: Event) -> None:
        """The Python service was imported: these are its models. If it is only one, the process that has read it holds it."""
        self.web = event["web"]
        self.development.catalog_read(event)
        if not event["models"] and not self.web:
            raise BadLine("neither models nor routes")
        names = event["models"] + event.get("isolated", [])
        if self.reload is not None:
            self._advance(partial(self.reload.models_read, child, names, event["saved"]))
            return
        groups = self._serve_models(names, event["saved"])
        if len(groups) == 1 and len(self.served) == 1 and groups[0].model in self.served:
            self.catalog = None
            groups[0].adopt(child)
            child.footprint = self.development.read.footprints.get(groups[0].model, "")
            orders.introduce(self, child)
            child.tell({"do": "hold", "model": groups[0].model, "index": 0})
            return
        child.retire()  # it was started with the threads of all
        for group in groups:
            group.begin()

    def _serve_models(self, names: list[str], saved: Mapping[str, Source]) -> list[HolderGroup]:
        """These are the models, and isolated applications. Returns a group for each that is held in any case."""
        self.served = [name for name in names if not is_mounted(name)]
        for name in names:
            self.place(name)
        self.saved.declare(saved, remembered=self.plan.remembered)
        self.development.note(saved)
        groups = [self.add_group(name) for name in names if name not in saved]
        for caller in self.callers():
            orders.tell_models(self, caller)
        return groups

    def group_of(self, child: Child) -> HolderGroup | None:
        """The model that this process holds."""
        return next((group for group in self.groups.values() if child in group.children()), None)

    def _holder_ready(self, child: Child, event: Event) -> None:
        group = self.group_of(child)
        if group is None:
            return
        self.development.heard(child, event.pop("files", {}))
        group.on_ready(child, event)
        if self.reload is not None and self.reload.came(child):
            group.hand_over(child)

    # -- reload --------------------------------------------------------------------------------------------------

    def _settled(self) -> bool:
        """Whether the last reload is over to the last old process: until then its places on the board are taken."""
        children = [*self.workers, *self._holders()]
        return self.announced and self.reload is None and not any(child.retired for child in children)

    def _begin_or_continue_reload(self) -> None:
        if self.reload_asked and self.reload is not None and self.reload.children:
            self.log("asked to reload again: the reload under way is given up, and begun anew")
            self._give_up_reload()
        if self.reload_asked and self._settled():
            self.reload_asked = False
            self.reload = Reload(self, keep=bool(self.development.changed))
            self._advance(self.reload.begin)
        if self.reload is not None:
            self._advance(self.reload.proceed)
        if self.reload is not None and self.reload.over:
            self.reload = None

    def _advance(self, step: Callable[[], None]) -> None:
        """Take a step of the reload; where it cannot start what it needs, what served before goes on."""
        try:
            step()
        except StartFailed as error:
            self.log(f"the reload is given up, and what served before goes on: {error}", "error")
            self._give_up_reload()

    def _give_up_reload(self) -> None:
        if self.reload is not None:
            self.reload.abandon()
            self.reload = None

    def paired_slot(self, slot: int) -> int:
        """Where the successor of a worker counts, while the old one still does: each has two places."""
        return (slot + self.plan.workers) % (2 * self.plan.workers)

    def _replace_worker(self, child: Child) -> None:
        """A new worker serves: if it came with a reload, the old one leaves."""
        if self.reload is not None and self.reload.came(child):
            pair = self.paired_slot(child.slot)
            self.restarts.cancel(pair)
            for old in [w for w in self.workers if w.slot == pair and not w.retired]:
                old.tell({"do": "leave"})
                old.retired = True

    def _not_reloaded(self, child: Child, group: HolderGroup | None) -> bool:
        if self.reload is None or not self.reload.failed(child, group):
            return False
        self.log("what served before goes on", "info")
        return True

    # -- ends ----------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in [c for c in [*self.workers, *self._holders()] if c.process.poll() is not None]:
            if self.switchboard.hears(child):
                self._read(child)  # its last words
            group = self.group_of(child)
            if child is self.catalog:
                self.catalog = None
            if (compilers := self.saved.of(child)) is not None:
                self._close(child)
                compilers.ended(child)
                continue
            if group is not None:
                orders.tell_death(self, group, child, group.on_death(child, time.monotonic()))
            else:
                self.board.clear_gauges(child.slot)
            if child in self.workers:
                self.workers.remove(child)
            self._close(child)
            if not self.stopping and not child.retired:
                self._on_death(child, group)
            self._stop_holders_when_alone()
        for name in [name for name, group in self.groups.items() if group.dismissed and not group.children()]:
            self.groups.pop(name).listener.close()
        if os.getpid() == 1:
            bury_orphans({child.process.pid for child in [*self.workers, *self._holders()]})

    def _on_death(self, child: Child, group: HolderGroup | None) -> None:
        if not self.announced and not child.kill_reason:
            raise StartFailed(f"a {child.role} ended while it was starting: {describe_exit(child)}")
        if self.reload is not None and child in self.reload.children and group is None:
            self.log(f"a new {child.role} ended while it was starting: {describe_exit(child)}", "error")
            self._not_reloaded(child, group)
            return
        if self._not_reloaded(child, group) or child.role != "worker":
            return
        self.board.count_restart("worker")
        why = f"worker {child.process.pid} ended: {describe_exit(child)}"
        self._restart_worker(child.slot, why, child.was_well(time.monotonic()))

    def _restart_worker(self, slot: int, why: str, was_well: bool = False) -> None:
        """Later and later, where one after the other dies before it has come to work."""
        wait_s = self.restarts.plan(slot, time.monotonic(), was_well)
        self.log(f"{why}; starting another in {wait_s:g} s")

    def _close(self, child: Child) -> None:
        self.switchboard.forget(child)
        child.bury()

    def _kill_all(self) -> None:
        for child in [*self.workers, *self._holders()]:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
            self._close(child)
        self.workers.clear()
        self.groups.clear()
        self.catalog = None
        self.restarts.planned.clear()

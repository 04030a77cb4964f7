"""The holders of one model: the one that serves, and the warm standby that takes its place."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelport.kernel.strikes import Strikes
from modelport.runtime.children import Child, StartFailed, describe_exit, died_of_its_call, frozen_reason

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 30.0
GIVE_UP_FAILURES = 8
STEADY_SECONDS = 10.0
"""Of quiet, after which deaths are forgotten: one that is ready for a moment and dies is not well."""


class Board(Protocol):
    """What the supervisor reads of the shared board: what a holder runs, and until when it may."""

    def running(self, slot: int) -> tuple[float, float, Sequence[bytes]]:
        """Busy since, hard limit (0 when idle), and the digests of the calls that run."""

    def last_beat(self, slot: int) -> float:
        """When its loop gave its last sign of life; 0 before the first."""

    def count_restart(self, role: str, model: int | None = None) -> None:
        """A process of this role died without being asked to, and is replaced."""

    def clear_gauges(self, slot: int) -> None:
        """A process is gone: nothing waits or runs there any more."""


MOST_DIGESTS = 256  # the board holds no more of one process


@dataclass(frozen=True, slots=True)
class Death:
    """An active holder died: the digests of the calls that ran (None: too many to tell), and all that are refused now."""

    running: list[bytes] | None
    refused: list[bytes]


@dataclass(slots=True)
class HolderGroup:
    """Keeps one model served. `start` spawns a holder in a slot; told the time, it never reads a clock of its own."""

    model: str
    index: int
    listener: socket.socket
    slots: list[int]
    start: Callable[[int], Child]
    board: Board
    log: Callable[[str], None]
    tell_workers: Callable[[HolderGroup], None]
    keep_standby: bool = True
    active: Child | None = None
    standby: Child | None = None
    successor: Child | None = None  # of a reload: it takes the place of both when it is ready
    retiring: list[Child] = field(default_factory=list)
    strikes: Strikes = field(default_factory=Strikes)
    failures: int = 0  # to become ready, in a row
    deaths: int = 0  # that nobody asked for, one after the other, of processes that had hardly come to work
    quiet_since: float = 0.0
    restart_at: float | None = None
    dismissed: bool = False  # served no more
    _now: float = 0.0

    @property
    def description(self) -> dict[str, Any] | None:
        """What the workers must know of the model, as the holder that serves has loaded it."""
        return None if self.active is None else self.active.description

    def children(self) -> list[Child]:
        """Every process of this group."""
        return [c for c in (self.active, self.standby, self.successor, *self.retiring) if c is not None]

    def begin(self) -> None:
        """Start the first holder."""
        if self.active is None and self.standby is None:
            self._start_standby()

    def adopt(self, child: Child) -> None:
        """Take over a holder that was started before it was known what it would hold."""
        self.standby = child

    def _spawn(self) -> Child:
        used = {child.slot for child in self.children()}
        return self.start(next(slot for slot in self.slots if slot not in used))

    def _start_standby(self) -> None:
        """Where none can be started, for want of descriptors or memory, it is tried again later."""
        self.restart_at = None
        try:
            self.standby = self._spawn()
        except StartFailed as error:
            self.log(f"{self.model}: {error}")
            self.failures += 1
            self._count_death(self._now, was_well=False)
            self.restart_at = self._now + self._pause_s

    @property
    def _pause_s(self) -> float:
        """Before another is started: a death costs nothing, one of a process that had hardly come to work does."""
        return 0.0 if self.deaths <= 1 else min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (self.deaths - 1))

    def _count_death(self, now: float, was_well: bool) -> None:
        self.deaths = 1 if was_well else self.deaths + 1
        self.quiet_since = now

    def on_ready(self, child: Child, description: dict[str, Any]) -> None:
        """A holder has loaded: it serves at once if nobody does. One that was asked to leave meanwhile does not."""
        child.begin_work(self._now)
        child.description = description
        if child in (self.standby, self.successor):
            self.failures, self.quiet_since = 0, self._now
        if child is self.standby and self.active is None:
            self._promote()

    def _promote(self) -> None:
        """The standby serves. Calls that wait on the listening socket find it there."""
        self.active, self.standby, self.quiet_since = self.standby, None, self._now
        assert self.active is not None
        self.active.begin_work(self._now)
        self.active.tell({"do": "serve"}, [self.listener.fileno()])
        self.tell_workers(self)
        if self.keep_standby and self._pause_s:
            self.restart_at = self._now + self._pause_s
        elif self.keep_standby:
            self._start_standby()

    def replace(self) -> Child:
        """Load anew beside those that serve and stand by, to take over when it is ready; for a reload. Returns the new one."""
        self.withdraw()
        self.successor = self._spawn()
        return self.successor

    def withdraw(self) -> None:
        """The reload is given up: its holder ends, whatever it does; those from before go on."""
        if self.successor is not None:
            self.successor.retired = True
            self.successor.kill("its reload was given up")
            self.retiring.append(self.successor)
            self.successor = None

    def hand_over(self, child: Child) -> None:
        """The new holder is ready: the old one finishes what it has, and its standby leaves."""
        if child is not self.successor:
            return
        old, spare, self.active, self.standby, self.successor = self.active, self.standby, None, child, None
        self.retiring += [c for c in (old, spare) if c is not None]
        self.deaths, self.restart_at = 0, None  # these were of the old code
        self.strikes.clear()
        self._promote()
        if old is not None:
            old.tell({"do": "drain"})
            old.retired = True
        if spare is not None:
            spare.retire()

    def retire(self) -> None:
        """The model is served no more: everybody finishes and ends."""
        self.restart_at, self.dismissed = None, True
        self.retiring = self.children()
        self.active = self.standby = self.successor = None
        for child in self.retiring:
            child.retire()

    def watch(self, now: float, awake_since: float = 0.0) -> None:
        """Kill a call that runs past its hard limit, or a process that stands still; restart what is due."""
        self._now = now
        for child in self.children():
            since, limit, _ = self.board.running(child.slot)
            if limit:
                late = now > limit
                child.overran |= late and not child.kill_reason
                reason = f"killed: a call ran for {now - since:.1f} s, past its hard limit" if late else ""
            else:
                reason = frozen_reason(self.board.last_beat(child.slot), now, awake_since)
            if reason and not child.kill_reason:
                child.kill(reason)
        if self.restart_at is not None and now >= self.restart_at:
            self.restart_at = None
            if self.standby is None:
                self._start_standby()
        complete = self.active is not None and self.restart_at is None and (self.standby is None or self.standby.ready)
        if complete and now - self.quiet_since > STEADY_SECONDS:
            self.deaths = 0

    def on_death(self, child: Child, now: float) -> Death | None:
        """Find the next holder. Says what the workers must know, if calls may have been under way."""
        since, _, digests = self.board.running(child.slot)
        self.board.clear_gauges(child.slot)
        was_active, was_new = child is self.active, child is self.successor
        self._forget(child)
        if child.retired:
            return None
        self._now = now
        self.board.count_restart("holder", self.index)
        if was_active and died_of_its_call(child):
            self._strike(digests, now)
        if not was_new:
            self._count_death(now, child.was_well(now))
            self.failures += not was_active and not child.ready
        self._log_death(child, since, digests)
        self._find_next(now)
        running = None if len(digests) >= MOST_DIGESTS else list(digests)
        return Death(running, self.strikes.all_refused()) if was_active else None

    def _strike(self, digests: Sequence[bytes], now: float) -> None:
        """Only who was alone can be blamed; who was in company runs alone from now on, see `HolderLane.died`."""
        if len(set(digests)) == 1:
            self.strikes.record(digests, now)

    def _forget(self, child: Child) -> None:
        if child is self.active:
            self.active = None
        elif child is self.standby:
            self.standby = None
        elif child is self.successor:
            self.successor = None
        else:
            self.retiring.remove(child)

    def _log_death(self, child: Child, since: float, digests: Sequence[bytes]) -> None:
        in_flight = f"; {len(digests)} calls ran in it: {', '.join(d.hex() for d in digests[:5])}" if digests else ""
        self.log(f"holder {child.process.pid} of {self.model} ended: {describe_exit(child)}{in_flight}")

    def _find_next(self, now: float) -> None:
        if self.active is None and self.standby is not None and self.standby.ready:
            self._promote()
        elif self.standby is None and self.restart_at is None and (self.active is None or self.keep_standby):
            self.restart_at = now + self._pause_s

    @property
    def hopeless(self) -> bool:
        """Whether it failed to start so often that nobody should wait for it."""
        return self.active is None and not self.dismissed and self.failures >= GIVE_UP_FAILURES

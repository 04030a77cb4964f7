"""The holders of one model: the one that serves, and the warm standby that takes its place."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelport.kernel.strikes import Strikes
from modelport.runtime.children import Child, describe_exit, frozen_reason

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 30.0
GIVE_UP_FAILURES = 8


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
    """An active holder died: the digests of the calls that ran (None: too many to tell), and those refused from now on."""

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
    retiring: list[Child] = field(default_factory=list)
    strikes: Strikes = field(default_factory=Strikes)
    failures: int = 0
    restart_at: float | None = None

    @property
    def description(self) -> dict[str, Any] | None:
        """What the workers must know of the model, as the holder that serves has loaded it."""
        return None if self.active is None else self.active.description

    def children(self) -> list[Child]:
        """Every process of this group."""
        return [c for c in (self.active, self.standby, *self.retiring) if c is not None]

    def begin(self) -> None:
        """Start the first holder."""
        if self.active is None and self.standby is None:
            self.standby = self._spawn()

    def adopt(self, child: Child) -> None:
        """Take over a holder that was started before it was known what it would hold."""
        self.standby = child

    def _spawn(self) -> Child:
        used = {child.slot for child in self.children()}
        return self.start(next(slot for slot in self.slots if slot not in used))

    def on_ready(self, child: Child, description: dict[str, Any]) -> None:
        """A holder has loaded: it serves at once if nobody does. One that was asked to leave meanwhile does not."""
        child.ready, child.description = True, description
        if child is not self.standby:
            return
        self.failures = 0
        if self.active is None:
            self._promote()

    def _promote(self) -> None:
        """The standby serves. Calls that wait on the listening socket find it there."""
        self.active, self.standby = self.standby, None
        assert self.active is not None
        self.active.tell({"do": "serve"}, [self.listener.fileno()])
        self.tell_workers(self)
        if self.keep_standby:
            self.standby = self._spawn()

    def replace(self) -> Child:
        """Load anew beside the one that serves, to change over when it is ready; for a reload. Returns the new one."""
        if self.standby is not None:
            self.standby.retire()
            self.retiring.append(self.standby)
        self.standby = self._spawn()
        return self.standby

    def hand_over(self, child: Child) -> None:
        """The new holder is ready: the old one finishes what it has. It may serve already, if the old one has died."""
        if child is not self.standby:
            return
        old, self.active = self.active, None
        self._promote()
        if old is not None:
            old.tell({"do": "drain"})
            old.retired = True
            self.retiring.append(old)

    def retire(self) -> None:
        """The model is served no more: everybody finishes and ends."""
        self.restart_at = None
        self.retiring = self.children()
        self.active = self.standby = None
        for child in self.retiring:
            child.retire()

    def watch(self, now: float, awake_since: float = 0.0) -> None:
        """Kill a call that runs past its hard limit, or a process that stands still; restart what is due."""
        for child in self.children():
            since, limit, _ = self.board.running(child.slot)
            if limit:
                late = now > limit
                reason = f"killed: a call ran for {now - since:.1f} s, past its hard limit" if late else ""
            else:
                reason = frozen_reason(self.board.last_beat(child.slot), now, awake_since)
            if reason and not child.kill_reason:
                child.kill(reason)
        if self.restart_at is not None and now >= self.restart_at:
            self.restart_at = None
            if self.standby is None:
                self.standby = self._spawn()

    def on_death(self, child: Child, now: float) -> Death | None:
        """Find the next holder. Says what the workers must know, if calls may have been under way."""
        since, _, digests = self.board.running(child.slot)
        self.board.clear_gauges(child.slot)
        was_active = child is self.active
        self._forget(child)
        if child.retired:
            return None
        self.board.count_restart("holder", self.index)
        if was_active:
            self._strike(digests)
        else:
            self.failures += 1
        self._log_death(child, since, digests)
        self._find_next(now)
        refused = [digest for digest in digests if self.strikes.refused(digest)]
        return Death(None if len(digests) >= MOST_DIGESTS else list(digests), refused) if was_active else None

    def _strike(self, digests: Sequence[bytes]) -> None:
        """Only who was alone can be blamed; who was in company runs alone from now on, see `HolderLane.died`."""
        if len(set(digests)) == 1:
            self.strikes.record(digests)

    def _forget(self, child: Child) -> None:
        if child is self.active:
            self.active = None
        elif child is self.standby:
            self.standby = None
        else:
            self.retiring.remove(child)

    def _log_death(self, child: Child, since: float, digests: Sequence[bytes]) -> None:
        in_flight = f"; {len(digests)} calls ran in it: {', '.join(d.hex() for d in digests[:5])}" if digests else ""
        self.log(f"holder {child.process.pid} of {self.model} ended: {describe_exit(child)}{in_flight}")

    def _find_next(self, now: float) -> None:
        if self.active is None and self.standby is not None and self.standby.ready:
            self._promote()
        elif self.standby is None:
            wait_s = 0.0 if not self.failures else min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**self.failures)
            self.restart_at = now + wait_s

    @property
    def hopeless(self) -> bool:
        """Whether it failed to start so often that nobody should wait for it."""
        return self.active is None and self.failures >= GIVE_UP_FAILURES

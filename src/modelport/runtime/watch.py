"""What runs in a holder: until when it may, and what becomes of it when nobody waits any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelport.kernel.batcher import Batch, Ticket


class Board(Protocol):
    """Where the supervisor reads it."""

    def begin(self, slot: int, hard_limit: float, digests: Sequence[bytes], batch: int = 0) -> None:
        """A batch runs, until a moment at which it is killed."""

    def shorten(self, slot: int, hard_limit: float, batch: int = 0) -> None:
        """It is killed at that moment, if that is sooner, and no body is blamed."""

    def end(self, slot: int, batch: int = 0) -> None:
        """It is done."""

    def beat(self, slot: int) -> None:
        """A sign of life."""


class Cancels(Protocol):
    """Whoever runs batches that can be cancelled."""

    def cancel(self, records: Sequence[Any]) -> None:
        """Nobody waits for the batch with this very list."""


@dataclass(frozen=True, slots=True)
class HardLimits:
    """Until when a batch may run before its process is killed. All in seconds.

    Never sooner than the service's own deadline allows: how long one caller wants to wait is no reason to take the process from
    the others, nor to hold it against the body.
    """

    default_deadline: float
    grace: float

    def of(self, batch: Batch, started: float) -> float:
        """The moment (monotonic) for a batch that somebody waits for."""
        slices = batch.slices
        latest = slices[0][0].deadline if len(slices) == 1 else max(ticket.deadline for ticket, _ in slices)
        return max(started + self.default_deadline, latest) + self.grace

    def of_abandoned(self, started: float) -> float:
        """The moment for one that nobody waits for."""
        return started + self.default_deadline + self.grace


class BatchWatch:
    """Puts every batch of one holder on the board. `running` runs what can be cancelled, where that is so."""

    def __init__(self, board: Board, slot: int, limits: HardLimits, running: Cancels | None = None) -> None:
        self._board = board
        self._slot = slot
        self._limits = limits
        self._running = running
        self._batches: dict[int, tuple[Batch, float]] = {}  # and when it began

    def begin(self, batch: Batch) -> None:
        """It is about to run."""
        started = time.monotonic()
        self._batches[id(batch)] = (batch, started)
        self._board.begin(self._slot, self._limits.of(batch, started), digests_of(batch), id(batch))

    def end(self, batch: Batch) -> None:
        """It is done."""
        del self._batches[id(batch)]
        self._board.beat(self._slot)  # a call that held the GIL kept the loop from it, and only the call was to blame
        self._board.end(self._slot, id(batch))

    def left(self, ticket: Ticket[Any]) -> None:
        """A caller left, or its deadline has passed: end what was for nobody else, and wait no longer for its end than usual."""
        for batch, started in list(self._batches.values()):
            if batch.abandoned and any(each is ticket for each, _ in batch.slices):
                self._abandon(batch, started)

    def _abandon(self, batch: Batch, started: float) -> None:
        if self._running is not None:
            self._running.cancel(batch.records)
        shorter = max(self._limits.of_abandoned(started), time.monotonic() + self._limits.grace)
        if shorter < self._limits.of(batch, started):
            self._board.shorten(self._slot, shorter, id(batch))


def digests_of(batch: Batch) -> list[bytes]:
    """The digests of the calls in a batch, each once."""
    if len(batch.slices) == 1:
        only = batch.slices[0][0].tag
        return [] if only is None else [only.digest]
    tags: list[Any] = [ticket.tag for ticket, _ in batch.slices]
    return [tag.digest for tag in tags if tag is not None]

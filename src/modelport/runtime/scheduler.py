"""Drives a batcher: feeds an idle executor, hands outcomes back to the callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic
from typing import Any

from modelport.kernel.admission import Refusal, queue_full
from modelport.kernel.batcher import Batch, Batcher, Ticket, settle
from modelport.kernel.cost import CostModel
from modelport.kernel.ports import Done, Executor, Outcome
from modelport.kernel.sizing import BatchSizer
from modelport.kernel.values import Failure, Record

FIRST = range(1)
EXPIRED = Failure("deadline_exceeded", "The deadline passed before the model was free")

OnBatch = Callable[[Batch, float, float], None]
"""Told after each batch: the batch, when it began, and how long it ran, in seconds."""


class Gate:
    """Who runs in one process: many batches, or a single one that has to be alone, so that its process can tell who ended it."""

    def __init__(self) -> None:
        self._running = 0
        self._alone = False
        self._waiting: list[Callable[[], None]] = []

    def enter(self, alone: bool, again: Callable[[], None]) -> bool:
        """Whether a batch may run now. If not, `again` is called when nothing runs any more, first come first served."""
        if self._running and (alone or self._alone or self._waiting):
            self._waiting.append(again)
            return False
        self._running += 1
        self._alone = alone
        return True

    @property
    def is_open(self) -> bool:
        """Whether a batch that need not be alone may run now."""
        return not (self._alone or self._waiting) or not self._running

    def leave(self) -> None:
        """A batch is done."""
        self._running -= 1
        if not self._running:
            waiting, self._waiting = self._waiting, []
            for again in waiting:
                again()


class Scheduler:
    """One executor with its queue. All methods run on the loop."""

    def __init__(
        self,
        executor: Executor,
        batcher: Batcher[Done],
        loop: asyncio.AbstractEventLoop,
        on_start: Callable[[Batch], None] | None = None,
        on_batch: OnBatch | None = None,
        sizer: BatchSizer | None = None,
        on_single: Callable[[int, float], None] | None = None,
    ) -> None:
        self.executor = executor
        self.batcher = batcher
        self.cost = CostModel()
        self.gate = Gate()  # its own, unless others run in the same process
        self._call_soon = loop.call_soon
        self._report = loop.call_exception_handler
        self._on_start = on_start
        self._on_batch = on_batch
        self._sizer = sizer
        self._on_single = on_single
        self._immediate = executor.kind == "inline"
        self._single = batcher.max_rows == 1 and not self._immediate
        self._free = executor.slots  # batches that may still be cut; one that is about to be is counted

    def submit(
        self,
        records: Sequence[Record],
        done: Done,
        deadline: float = inf,
        size: int = 0,
        solo: bool = False,
        tag: Any = None,
    ) -> Ticket[Done] | None:
        """Queue one call; `done` gets its outcomes. None where the queue is full.

        The batch is cut after the loop has read every socket that is ready, so whatever arrives together runs together.
        """
        ticket = Ticket(records, done, deadline, size, solo)
        ticket.tag = tag
        if self._single and self._free and len(records) == 1 and not solo and not self.batcher and self.gate.is_open:
            now = monotonic()
            if deadline > now:
                self._run_one(ticket, now)
                return ticket
        if not records:  # nothing to wait for, and no batch would ever settle it
            self._call_soon(done, [])
            return ticket
        if not self.batcher.offer(ticket, monotonic()):
            return None
        if self._free:
            self._free -= 1
            self._call_soon(self._feed)
        return ticket

    def run_alone(self, records: Sequence[Record]) -> list[Outcome] | None:
        """Run at once, on an executor that runs at once, for a caller with whom nobody can share a batch.

        None where the executor hands work over, or is busy: then `submit`.
        """
        if not self._immediate or len(self.batcher) or not self._free or len(records) > self.batcher.max_rows:
            return None
        started = monotonic()
        found: list[Outcome] = []
        self.executor.submit(records, found.extend)
        if self._on_single is not None:
            self._on_single(len(records), monotonic() - started)
        return found

    def refusal(self) -> Refusal:
        """Why a call is not taken, and when there will be room by the measured cost."""
        return queue_full(self.batcher.waiting_rows, self.batcher.queue_rows, self.batcher.max_rows, self.cost)

    def cancel(self, ticket: Ticket[Done]) -> None:
        """The caller left: what still waits is not run; what runs is finished for nobody."""
        self.batcher.drop(ticket)
        ticket.owner, ticket.left = _nobody, True

    def _run_one(self, ticket: Ticket[Done], now: float) -> None:
        """Where nothing can be joined to a call, and a slot is free, it need not wait for the end of the turn."""
        self._free -= 1
        self.gate.enter(False, _nothing)
        ticket.offered_at = now
        ticket.taken = 1
        self._start(Batch([*ticket.records], [(ticket, FIRST)]), now)

    def _feed(self) -> None:
        started = monotonic()
        if self._sizer is not None:
            self.batcher.max_rows = self._sizer.rows(self.cost)
        if not self.gate.enter(self.batcher.solo_next(started), self._feed):
            return
        batch = self.batcher.take(started)
        for ticket in batch.expired:
            self._settle(ticket, [EXPIRED] * len(ticket.records))
        if not batch.records:
            self._free += 1
            self.gate.leave()
            return
        self._start(batch, started)

    def _start(self, batch: Batch, started: float) -> None:
        if self._on_start is not None:
            self._on_start(batch)

        def finish(outcomes: list[Outcome]) -> None:
            self._finish(batch, started, outcomes)

        self.executor.submit(batch.records, finish)

    def _finish(self, batch: Batch, started: float, outcomes: list[Outcome]) -> None:
        seconds = monotonic() - started
        self.cost.observe(len(batch.records), seconds)
        if self._on_batch is not None:
            self._on_batch(batch, started, seconds)
        if len(self.batcher):
            self._call_soon(self._feed)
        else:
            self._free += 1
        self.gate.leave()
        if len(batch.slices) == 1 and len(batch.slices[0][0].records) == 1:
            return self._settle(batch.slices[0][0], outcomes)
        for ticket in settle(batch.slices, outcomes):
            self._settle(ticket, ticket.outcomes)
        return None

    def _settle(self, ticket: Ticket[Done], outcomes: list[Outcome]) -> None:
        """One owner that raises leaves the others of its batch their answers."""
        try:
            ticket.owner(outcomes)
        except Exception as error:
            self._report({"message": "an answer could not be handed back", "exception": error})


def _nothing() -> None:
    """Nobody was turned away."""


def _nobody(outcomes: list[Outcome]) -> None:
    """The owner of a ticket whose caller has left."""

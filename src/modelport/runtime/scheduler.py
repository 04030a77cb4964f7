"""Drives a batcher: feeds an idle executor, hands outcomes back to the callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from modelport.kernel.batcher import Batcher, Slice, settle
from modelport.kernel.ports import Done, Executor, Outcome
from modelport.kernel.values import Record


class Scheduler:
    """One executor with its queue. All methods run on the loop."""

    def __init__(self, executor: Executor, batcher: Batcher[Done], loop: asyncio.AbstractEventLoop) -> None:
        self.executor = executor
        self.batcher = batcher
        self._call_soon = loop.call_soon
        self._busy = False  # a batch is running, or about to be cut

    def submit(self, records: Sequence[Record], done: Done) -> bool:
        """Queue one call; `done` gets its outcomes. False where the queue is full.

        The batch is cut after the loop has read every socket that is ready, so whatever arrives together runs together.
        """
        if not self.batcher.offer(records, done):
            return False
        if not self._busy:
            self._busy = True
            self._call_soon(self._feed)
        return True

    def _feed(self) -> None:
        records, slices = self.batcher.take()
        if not records:
            self._busy = False
            return

        def settle_batch(outcomes: list[Outcome]) -> None:
            self._settle(slices, outcomes)

        self.executor.submit(records, settle_batch)

    def _settle(self, slices: list[Slice], outcomes: list[Outcome]) -> None:
        if self.batcher.waiting_rows:
            self._call_soon(self._feed)
        else:
            self._busy = False
        for done, finished in settle(slices, outcomes):
            done(finished)

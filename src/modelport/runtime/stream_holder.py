"""The holder's side of a model that answers item by item: each call is a stream on the line to its worker."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from modelport.errors import CallError
from modelport.kernel.batcher import Batch, Ticket
from modelport.kernel.frames import CREDIT, Frame, encode_item
from modelport.kernel.ports import Done, Outcome
from modelport.runtime.generators import Stream, StreamExecutor
from modelport.runtime.holder import CallInHand, Holder, HolderConnection, Read
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.watch import BatchWatch, Board, Cancels, HardLimits, digests_of


class StreamWatch(BatchWatch):
    """Each batch is one stream, which may run for ever as long as it comes on. Thousands may run, and leave, at once."""

    def __init__(self, board: Board, slot: int, limits: HardLimits, running: Cancels) -> None:
        super().__init__(board, slot, limits, running)
        self._of: dict[Ticket[Any], Batch] = {}

    def begin(self, batch: Batch) -> None:
        """It is about to run."""
        super().begin(batch)
        self._of.update({ticket: batch for ticket, _ in batch.slices})

    def end(self, batch: Batch) -> None:
        """It is done."""
        super().end(batch)
        for ticket, _ in batch.slices:
            self._of.pop(ticket, None)

    def left(self, ticket: Ticket[Any]) -> None:
        """Its reader left."""
        batch = self._of.get(ticket)
        if batch is not None and batch.abandoned:
            self._abandon(batch, self._batches[id(batch)][1])

    def renew(self, now: float) -> None:
        """Once a second: what has come on runs on for as long as its reader waits, from the step on that runs now."""
        for batch, _ in list(self._batches.values()):
            stream = batch.records[0]
            if isinstance(stream, Stream) and stream.stopped is None and not batch.abandoned:
                self._renew(batch, stream.since or now, stream.patience_s)

    def _renew(self, batch: Batch, since: float, patience_s: float) -> None:
        self._batches[id(batch)] = (batch, since)
        limit = max(self._limits.of_abandoned(since), since + patience_s + self._limits.grace)
        self._board.end(self._slot, id(batch))
        self._board.begin(self._slot, limit, digests_of(batch), id(batch))


class StreamHolder(Holder):
    """Serves one streaming handler to every connection."""

    streams: StreamExecutor
    watch: StreamWatch

    def connection(self) -> HolderConnection:
        """A protocol for one worker."""
        return StreamConnection(self)

    def sweep(self, now: float) -> None:
        """Once a second: what runs is given the time of its next item, as long as it comes on."""
        super().sweep(now)
        assert self.scheduler is not None
        moment = time.monotonic()
        self.streams.look(moment, wanted=bool(len(self.scheduler.batcher)))
        self.watch.renew(moment)


class StreamConnection(HolderConnection):
    """The line to one worker. A call's records are one `Stream`; its answer, behind the last item, holds nothing or an error."""

    holder: StreamHolder

    def __init__(self, holder: StreamHolder) -> None:
        super().__init__(holder)
        self._streams: dict[int, Stream] = {}

    def _take(self, frame: Frame) -> None:
        if frame.kind == CREDIT:
            call_id, size = frame.credit()
            stream = self._streams.get(call_id)
            if stream is not None:
                stream.credit(size)
        else:
            super()._take(frame)

    def _run(self, held: CallInHand, read: Read) -> None:
        if not isinstance(read, CallError):
            patience_s = held.call.deadline - held.arrived
            stream = self.holder.streams.open(read[0][0], patience_s, partial(self._send_item, held.call.id))
            self._streams[held.call.id] = stream
            read = [stream], False
        super()._run(held, read)

    def _queue(self, held: CallInHand, queue: Scheduler, records: Any, done: Done) -> None:
        """Never in a batch that waits until nothing else runs: streams may run for ever."""
        held.queue = queue
        held.ticket = queue.submit(records, done, held.call.deadline, len(held.call.body), False, held)

    def _send_item(self, call_id: int, item: bytes) -> None:
        if call_id in self.calls:
            self.send(encode_item(call_id, item))

    def _cancel(self, call_id: int) -> None:
        self._streams.pop(call_id, None)
        super()._cancel(call_id)

    def _finish(self, held: CallInHand, outcomes: list[Outcome]) -> None:
        self._streams.pop(held.call.id, None)
        held.batch_rows = 0  # how long it took says nothing of the next one
        super()._finish(held, outcomes)

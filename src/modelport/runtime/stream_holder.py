"""The holder's side of a model that answers item by item: each call is a stream on the line to its worker."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from modelport.errors import CallError
from modelport.kernel.frames import CREDIT, Frame, encode_item
from modelport.kernel.ports import Done, Outcome
from modelport.runtime.generators import Stream, StreamExecutor
from modelport.runtime.holder import CallInHand, Holder, HolderConnection, Read
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.watch import BatchWatch


class StreamHolder(Holder):
    """Serves one streaming handler to every connection."""

    streams: StreamExecutor
    watch: BatchWatch

    def connection(self) -> HolderConnection:
        """A protocol for one worker."""
        return StreamConnection(self)

    def sweep(self, now: float) -> None:
        """Once a second: what runs is given the time of its next item, as long as it comes on."""
        super().sweep(now)
        assert self.scheduler is not None
        moment = time.monotonic()
        self.streams.look(moment, wanted=bool(len(self.scheduler.batcher)))
        for batch in self.watch.running():
            stream = batch.records[0]
            if isinstance(stream, Stream) and stream.stopped is None:
                self.watch.renew(batch, stream.since or moment, stream.patience_s)


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

"""The holder's side: one loaded model behind a Unix socket, where the calls of all HTTP workers meet in one queue."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from modelport.errors import CallError
from modelport.kernel.batcher import Batch, Ticket
from modelport.kernel.frames import (
    CALL,
    CANCEL,
    GOODBYE,
    LARGE_FRAME,
    SOLO,
    Answer,
    Call,
    Frame,
    FrameError,
    FrameReader,
    encode_answer,
    encode_answer_head,
    encode_hello,
    encode_plain,
    packets_of,
)
from modelport.kernel.ports import Done, Outcome
from modelport.kernel.reply import Reply
from modelport.kernel.values import Failure
from modelport.runtime.digests import digest
from modelport.runtime.handler import Handler
from modelport.runtime.listeners import is_stranger
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.stall import WriteStall
from modelport.runtime.turn import TurnWriter

Assemble = Callable[[list[Outcome], bool], Reply]
Refuse = Callable[[CallError], Reply]
Read = tuple[list[Any], bool] | CallError
Log = Callable[[str, str], None]
"""Takes a message and the id of the request it is about, empty where there is none."""


LARGE_BODY = 64 * 1024
"""Bodies above this are read beside the loop."""


class Holder:
    """Serves one handler to every connection. `on_begin` and `on_end` surround each batch, for the watching supervisor."""

    def __init__(self, handler: Handler, assemble: Assemble, refuse: Refuse, log: Log) -> None:
        self.handler = handler
        self.assemble = assemble
        self.refuse = refuse
        self.log = log
        self.scheduler: Scheduler | None = None
        self.reading: Scheduler | None = None  # of bodies that are not read on the loop
        self.on_leave: Callable[[Ticket[Done]], None] = lambda _: None
        self.connections: set[HolderConnection] = set()
        self.draining = False

    def connection(self) -> HolderConnection:
        """A protocol for one worker."""
        return HolderConnection(self)

    def drain(self) -> None:
        """Take no more calls; tell every worker, answer what is here."""
        self.draining = True
        for connection in list(self.connections):
            connection.say_goodbye()

    def read(self, call: Call) -> Read:
        """The records of a body and whether it is a list, or what is wrong with it."""
        try:
            if call.media and self.handler.decode_media is not None:
                return self.handler.decode_media(bytes(call.body), call.media)
            return self.handler.decode(bytes(call.body))
        except CallError as error:
            return error

    def read_all(self, calls: Sequence[Call]) -> list[Any]:
        """The same for many; for an executor."""
        return [self.read(call) for call in calls]

    def reads_on_loop(self, call: Call) -> bool:
        """Whether reading this takes a moment at most, and runs no code but ours."""
        if call.media in self.handler.read_at_once:
            return True
        small = len(call.body) <= LARGE_BODY and not call.media
        return self.reading is None or (small and not self.handler.decodes_with_code)

    def sweep(self, now: float) -> None:
        """Hang up on workers that do not read their answers; what they wait for is not run."""
        for connection in list(self.connections):
            connection.sweep(now)

    @property
    def idle(self) -> bool:
        """Whether every worker has hung up, as it does after a goodbye when it has its last answer.

        To have answered everything is not enough: a call may be on its way.
        """
        return not self.connections


class CallInHand:
    """One call of one worker, from its frame to its answer."""

    __slots__ = ("arrived", "batch_rows", "call", "connection", "digest", "listed", "queue", "started", "ticket")

    def __init__(self, connection: HolderConnection, call: Call) -> None:
        self.connection = connection
        self.call = call
        self.arrived = time.monotonic()
        self.started = 0.0
        self.batch_rows = 0
        self.listed = False
        self.digest = b""
        self.ticket: Ticket[Done] | None = None
        self.queue: Scheduler | None = None  # where the ticket is


class HolderConnection(asyncio.Protocol):
    """The line to one worker."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.calls: dict[int, CallInHand] = {}
        self._unread = WriteStall()
        self._reader = FrameReader()
        self._writer: TurnWriter | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are; not to another user."""
        if is_stranger(transport.get_extra_info("socket")):
            return transport.abort()  # type: ignore[attr-defined, no-any-return]
        self._writer = TurnWriter(transport, asyncio.get_running_loop())  # type: ignore[arg-type]
        self.holder.connections.add(self)
        self.send(encode_hello(os.getpid()))
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone: what it waited for is not run."""
        self.holder.connections.discard(self)
        for call_id in list(self.calls):
            self._cancel(call_id)

    def data_received(self, data: bytes) -> None:
        """Take every frame that is whole."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError as error:
            self.holder.log(f"a worker sent what is no frame: {error}", "")
            if self._writer is not None:
                self._writer.abort()

    def send(self, frame: bytes) -> None:
        """Write, if the worker still listens."""
        if self._writer is not None:
            self._writer.write(frame)

    def sweep(self, now: float) -> None:
        """Hang up if the worker has read nothing for long."""
        if self._writer is not None and self._unread.is_stuck(self._writer.backlog, now):
            self.holder.log("a worker does not read its answers; the line to it is cut", "")
            self._writer.abort()

    def say_goodbye(self) -> None:
        """No more calls, please."""
        self.send(encode_plain(GOODBYE))

    def _take(self, frame: Frame) -> None:
        if frame.kind == CALL:
            self._begin(CallInHand(self, frame.call()))
        elif frame.kind == CANCEL:
            self._cancel(frame.cancelled())

    def _begin(self, held: CallInHand) -> None:
        call, holder = held.call, self.holder
        self.calls[call.id] = held
        held.digest = digest(call.body)
        if holder.reads_on_loop(call):
            self._run(held, holder.read(call))
        else:
            assert holder.reading is not None
            self._queue(held, holder.reading, [call], partial(self._was_read, held))

    def _was_read(self, held: CallInHand, outcomes: list[Any]) -> None:
        if held.call.id not in self.calls:
            return None
        if isinstance(outcomes[0], Failure):  # the user's code failed, or the deadline has passed
            return self._finish(held, outcomes)
        return self._run(held, outcomes[0])

    def _run(self, held: CallInHand, read: Read) -> None:
        assert self.holder.scheduler is not None
        if not isinstance(read, CallError) and read[0]:
            records, held.listed = read
            return self._queue(held, self.holder.scheduler, records, partial(self._finish, held))
        del self.calls[held.call.id]
        held.ticket = None
        return self._answer(held, self.holder.refuse(read) if isinstance(read, CallError) else Reply(200, b"[]"))

    def _queue(self, held: CallInHand, queue: Scheduler, records: Sequence[Any], done: Done) -> None:
        call = held.call
        held.queue = queue
        held.ticket = queue.submit(records, done, call.deadline, len(call.body), bool(call.flags & SOLO), held)

    def _cancel(self, call_id: int) -> None:
        held = self.calls.pop(call_id, None)
        if held is not None and held.ticket is not None and held.queue is not None:
            held.queue.cancel(held.ticket)
            self.holder.on_leave(held.ticket)
            held.ticket = None

    def _finish(self, held: CallInHand, outcomes: list[Outcome]) -> None:
        if self.calls.pop(held.call.id, None) is not None:
            reply = self.holder.assemble(outcomes, held.listed)
            if reply.cause:
                self.holder.log(reply.cause, held.call.request_id.decode("ascii", "replace"))
            self._answer(held, reply)

    def _answer(self, held: CallInHand, reply: Reply) -> None:
        started = held.started or held.arrived
        queued_s, run_s = started - held.arrived, time.monotonic() - started
        whole = (
            held.ticket is not None and len(held.ticket.records) <= held.batch_rows
        )  # else it waited between its batches
        held.ticket = None  # which knows this call: a long answer is not to wait for the garbage collector
        head = (held.call.id, reply.status, reply.failed, reply.non_finite, held.batch_rows if whole else 0)
        self._send_answer(Answer(*head, queued_s, run_s, reply.body, reply.media))

    def _send_answer(self, answer: Answer) -> None:
        """A large body goes beside its head: nothing is copied to make one frame of both."""
        if len(answer.body) <= LARGE_FRAME:
            self.send(encode_answer(answer))
        elif self._writer is not None:
            self._writer.write_parts([encode_answer_head(answer), *packets_of(answer.body)])


def mark_started(batch: Batch) -> None:
    """Note when each call's first slice began to run, and in what company."""
    now = time.monotonic()
    for ticket, _ in batch.slices:
        if isinstance(ticket.tag, CallInHand) and not ticket.tag.started:
            ticket.tag.started = now
            ticket.tag.batch_rows = len(batch.records)


def calls_of(batch: Batch) -> list[tuple[float, bytes, bytes]]:
    """Deadline, chain and request id of each call in a batch."""
    calls = [ticket.tag.call for ticket, _ in batch.slices if isinstance(ticket.tag, CallInHand)]
    return [(call.deadline, call.chain, call.request_id) for call in calls]

"""The worker's side of a holder: sends calls, waits for answers, notices when the holder dies, and finds its successor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import NamedTuple

from modelport.errors import InvalidInput, Problem
from modelport.kernel.admission import Admission, Refusal
from modelport.kernel.cost import CostModel
from modelport.kernel.frames import (
    ANSWER,
    GOODBYE,
    HELLO,
    ITEM,
    LARGE_FRAME,
    SOLO,
    Answer,
    Body,
    Call,
    FrameReader,
    encode_call,
    encode_call_head,
    encode_cancel,
    encode_credit,
    packets_of,
)
from modelport.runtime.digests import digest
from modelport.runtime.listeners import connect_unix
from modelport.runtime.turn import TurnWriter

RECONNECT_SECONDS = 0.02
VERDICT_SECONDS = 0.5
LAST_WORDS_SECONDS = 0.05
MOST_SUSPECTS = 1024
MOST_TRIES = 3
"""A call that was in so many holders as they died is not sent to another, whatever it did there."""

LOST, EXPIRED = 0, -1
"""The status of an answer that never came: the holder died under the call, or the deadline passed."""


def record_refused() -> InvalidInput:
    """The answer to a body that has killed its process twice."""
    message = "This body has ended the model's process twice and is not tried again"
    return InvalidInput([Problem(("body",), message, "record_refused", None, "the server's log names the deaths")])


OnAnswer = Callable[[Answer], None]
OnItem = Callable[[bytes], None]


class Waiting(NamedTuple):
    """Ask what waits for the model or runs, over all workers: its rows, and the bytes of its bodies."""

    rows: Callable[[], int]
    size: Callable[[], int]


class Pending(NamedTuple):
    """A call that was sent and is not answered yet."""

    call: Call
    on_answer: OnAnswer
    timer: asyncio.TimerHandle | None
    tries: int = 1  # how often it was sent
    ran: bool = False  # in a holder that died
    begun: bool = False  # a stream of which something has come


class HolderLane:
    """All calls of one worker to one model. Lives on the worker's loop.

    `retry_lost`: answer-only models (saved ones) are asked once more, alone, when their holder dies under a call.
    """

    def __init__(
        self,
        path: str,
        admission: Admission,
        waiting: Waiting,
        count: Callable[[int, int], None],
        retry_lost: bool,
    ) -> None:
        self.path = path
        self.admission = admission
        self.retry_lost = retry_lost
        self._waiting = waiting
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._connection: LaneConnection | None = None  # where calls go
        self._newest: LaneConnection | None = None  # connected last; it has perhaps not said hello yet
        self._lines: list[LaneConnection] = []  # every one that is open: an old holder may still owe answers
        self._pending: dict[int, Pending] = {}
        self._unsent: dict[int, None] = {}  # in order, until a holder says hello
        self._orphans: list[int] = []  # their line broke; whether they ran is not known yet
        self.patience: asyncio.TimerHandle | None = None  # until nobody waits for word of them any more
        self._verdict: tuple[float, frozenset[bytes] | None] | None = None
        self._suspects: set[bytes] = set()
        self._listeners: dict[int, OnItem] = {}
        self._next_id = 0
        self._closed = False
        self.connected = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None

    @property
    def cost(self) -> CostModel:
        """What the model's batches have cost."""
        return self.admission.cost

    # -- calls ---------------------------------------------------------------------------------------------------

    def send(
        self,
        body: Body,
        rows: int,
        deadline: float,
        on_answer: OnAnswer,
        request_id: bytes = b"",
        media: bytes = b"",
        chain: bytes = b"",
    ) -> int | Refusal:
        """Send a call, or say why not. `on_answer` is called exactly once, unless the call is cancelled.

        The body of a large answer comes in `Parts`.
        """
        waiting, size = self._waiting, len(body)
        backlog = 0 if self._connection is None else self._connection.backlog
        if backlog > self.admission.queue_bytes:
            return Refusal("the model's process does not take what it is sent", 1)
        refusal = self.admission.decide(waiting.rows(), rows, deadline - monotonic(), waiting.size(), size)
        if refusal is not None:
            return refusal
        self._next_id = call_id = (self._next_id + 1) & 0xFFFFFFFF
        timer = (
            None
            if deadline == inf
            else self._loop.call_at(self._loop.time() + deadline - monotonic(), self._expire, call_id)
        )
        flags = SOLO if self._suspects and digest(body) in self._suspects else 0
        call = Call(call_id, deadline, rows, flags, body, request_id, media, chain)
        self._pending[call_id] = Pending(call, on_answer, timer)
        self._count(rows, size)
        self._transmit(call_id)
        return call_id

    def cancel(self, call_id: int) -> None:
        """The caller left."""
        if self._forget(call_id) is not None:
            self._recall(call_id)

    def listen(self, call_id: int, on_item: OnItem) -> None:
        """This call is a stream: hear of each of its items until `forget`. From the first one on it has no deadline here."""
        self._listeners[call_id] = on_item

    def forget(self, call_id: int) -> None:
        """Hear no more of a stream."""
        self._listeners.pop(call_id, None)

    def credit(self, call_id: int, size: int) -> None:
        """The reader of a stream has taken so many bytes of it."""
        for line in self._lines:
            if call_id in line.sent:
                line.write(encode_credit(call_id, size))

    def _item_came(self, call_id: int, item: bytes) -> None:
        listener, pending = self._listeners.get(call_id), self._pending.get(call_id)
        if listener is None or pending is None:
            return
        if not pending.begun:
            if pending.timer is not None:
                pending.timer.cancel()
            self._pending[call_id] = pending._replace(timer=None, begun=True)
        listener(item)

    def _transmit(self, call_id: int) -> None:
        if self._connection is None:
            self._unsent[call_id] = None
            self.connect()  # of a model that is called now and then, this may be the first call
        else:
            self._connection.send_call(self._pending[call_id].call)

    def _expire(self, call_id: int) -> None:
        pending = self._forget(call_id)
        if pending is not None:
            self._recall(call_id)
            pending.on_answer(Answer(call_id, EXPIRED, 0, 0, 0, 0.0, 0.0, b""))

    def _recall(self, call_id: int) -> None:
        for line in self._lines:
            if call_id in line.sent:
                line.cancel(call_id)

    def _forget(self, call_id: int) -> Pending | None:
        pending = self._pending.pop(call_id, None)
        self._unsent.pop(call_id, None)
        if pending is not None:
            self._count(-pending.call.rows, -len(pending.call.body))
            if pending.timer is not None:
                pending.timer.cancel()
        return pending

    def _answered(self, answer: Answer) -> None:
        pending = self._forget(answer.id)
        if pending is not None:
            if answer.batch_rows:
                self.cost.observe(answer.batch_rows, answer.run_s, min(1.0, pending.call.rows / answer.batch_rows))
            pending.on_answer(answer)

    # -- the connection ------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin to connect, and keep trying: a holder that is loading or being replaced answers in its time."""
        if self._connecting is None or self._connecting.done():
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        while not self._closed and self._newest is None:
            with contextlib.suppress(OSError):
                await self._loop.create_unix_connection(lambda: LaneConnection(self), sock=connect_unix(self.path))
            if self._newest is None:
                await asyncio.sleep(RECONNECT_SECONDS)

    def close(self) -> None:
        """Stop connecting; let the line go."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    def connected_to(self, connection: LaneConnection) -> None:
        """The kernel has connected; whoever accepts says hello."""
        self._newest = connection
        self._lines.append(connection)

    def welcomed(self, connection: LaneConnection) -> None:
        """A holder said hello: calls go there from now on."""
        self._connection = connection
        self.connected.set()
        unsent, self._unsent = self._unsent, {}
        for call_id in unsent:
            connection.send_call(self._pending[call_id].call)

    def dismissed(self, connection: LaneConnection) -> None:
        """The holder takes no more calls: look for its successor; its answers still come on the old line."""
        if self._connection is connection:
            self._connection = None
            self.connected.clear()
        if self._newest is connection:  # it may also break before it said hello
            self._newest = None
            self.connect()

    def lost(self, connection: LaneConnection) -> None:
        """The line broke. What becomes of the calls on it depends on which of them ran: the supervisor knows, see `died`."""
        self._lines.remove(connection)
        self.dismissed(connection)
        self._orphans += connection.sent & self._pending.keys()
        if not self._orphans:
            return
        verdict, self._verdict = self._verdict, None
        if verdict is not None and monotonic() - verdict[0] < VERDICT_SECONDS:
            self._settle_orphans(verdict[1])
        else:
            if self.patience is not None:  # of an earlier loss: whoever is lost now has the whole time, too
                self.patience.cancel()
            self.patience = self._loop.call_later(VERDICT_SECONDS, self._settle_orphans, None)

    def died(self, running: frozenset[bytes] | None, pid: int = 0) -> None:
        """The supervisor's word on a dead holder: the digests of the calls that ran; None where that is not known.

        Its line is closed even where somebody whom its model has forked holds the other end open. A moment later: what it
        had answered before it died comes first.
        """
        for line in self._lines:
            if pid and line.pid == pid:
                self._loop.call_later(LAST_WORDS_SECONDS, line.abort)
        if len(self._suspects) > MOST_SUSPECTS:
            self._suspects.clear()
        self._suspects |= running or frozenset()
        if self._orphans:
            self._settle_orphans(running)
        else:
            self._verdict = (monotonic(), running)  # we notice the broken line in a moment

    def _settle_orphans(self, running: frozenset[bytes] | None) -> None:
        """What did not run is asked again. What ran is asked once more, alone, where that is safe, or answered as lost."""
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None
        orphans, self._orphans = self._orphans, []
        for call_id in orphans:
            pending = self._pending.get(call_id)
            if pending is None:
                continue
            waited = running is not None and not pending.begun and digest(pending.call.body) not in running
            if waited and pending.tries < MOST_TRIES:
                self._try_again(call_id, pending, 0)
            elif self.retry_lost and not pending.ran:
                self._try_again(call_id, pending._replace(ran=True), SOLO)
            else:
                self._forget(call_id)
                pending.on_answer(Answer(call_id, LOST, 0, 0, 0, 0.0, 0.0, b""))

    def _try_again(self, call_id: int, pending: Pending, flags: int) -> None:
        call = pending.call._replace(flags=pending.call.flags | flags)
        self._pending[call_id] = pending._replace(call=call, tries=pending.tries + 1)
        self._transmit(call_id)


class LaneConnection(asyncio.Protocol):
    """One line to one holder process."""

    def __init__(self, lane: HolderLane) -> None:
        self.sent: set[int] = set()  # calls whose answers come on this line
        self.pid = 0  # of the holder, once it has said hello
        self._dismissed = False
        self._lane = lane
        self._reader = FrameReader()
        self._writer: TurnWriter | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the holder's hello: the kernel accepts for a process that is still loading."""
        self._writer = TurnWriter(transport, asyncio.get_running_loop())  # type: ignore[arg-type]
        self._lane.connected_to(self)

    def data_received(self, data: bytes) -> None:
        """Take every frame that is whole."""
        for frame in self._reader.feed(data):
            if frame.kind == ANSWER:
                answer = frame.answer()
                self.sent.discard(answer.id)
                self._lane._answered(answer)
                self._close_if_done()
            elif frame.kind == ITEM:
                self._lane._item_came(*frame.item())
            elif frame.kind == HELLO:
                self.pid = frame.pid()
                self._lane.welcomed(self)
            elif frame.kind == GOODBYE:
                self._dismissed = True
                self._lane.dismissed(self)
                self._close_if_done()

    def _close_if_done(self) -> None:
        """The holder waits for this: a call may have been on its way while it said goodbye."""
        if self._dismissed and not self.sent:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The holder is gone, or this line was closed after its goodbye."""
        self._lane.lost(self)

    def send_call(self, call: Call) -> None:
        """Send a call, and remember that its answer comes on this line."""
        self.sent.add(call.id)
        if len(call.body) <= LARGE_FRAME:
            self.write(encode_call(call))
        elif self._writer is not None:
            self._writer.write_parts([encode_call_head(call), *packets_of(call.body)])

    def cancel(self, call_id: int) -> None:
        """Nobody waits for this call any more; it is not answered."""
        self.sent.discard(call_id)
        self.write(encode_cancel(call_id))
        self._close_if_done()

    @property
    def backlog(self) -> int:
        """Bytes that the holder has not taken yet. The bodies of calls whose callers have left are among them."""
        return 0 if self._writer is None else self._writer.backlog

    def write(self, frame: bytes) -> None:
        """Send a frame."""
        if self._writer is not None:
            self._writer.write(frame)

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()

    def abort(self) -> None:
        """Hang up, whatever is unsent."""
        if self._writer is not None:
            self._writer.abort()

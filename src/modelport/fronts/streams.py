"""A stream between the model that gives its items and the exchange that they leave by."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Protocol

from modelport.codecs.json import Decoded
from modelport.codecs.stream_forms import SSE, Form
from modelport.errors import Loc
from modelport.fronts.exchange import Exchange, Headers
from modelport.fronts.reception import Reception
from modelport.fronts.status import simple_error
from modelport.fronts.stream_offers import form_of
from modelport.fronts.translated import with_media
from modelport.kernel.admission import Refusal
from modelport.kernel.batcher import Ticket
from modelport.kernel.frames import Answer
from modelport.kernel.meters import CANCELLED, EXPIRED, FAILED, INVALID, LOST, OK
from modelport.kernel.streams import Due, ReceiveWindow, Rhythm, weight
from modelport.runtime import lane as lanes
from modelport.runtime.digests import digest
from modelport.runtime.generators import Stream
from modelport.runtime.lifecycle import Slot

log = logging.getLogger("modelport.predict")

RETRY_SOON: Headers = [(b"retry-after", b"1")]
AS_IT_COMES: Headers = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
"""No cache keeps it, and nginx hands each part on at once."""

LOST_MESSAGE = "The process that ran the model ended; try again"
LATE_MESSAGE = "The deadline passed before the %s item was there"
STOPPED_MESSAGE = "The service ended before the stream did; try again"


class Source(Protocol):
    """Where the items come from."""

    def credit(self, size: int) -> None:
        """So many bytes were taken: more may come."""

    def cancel(self) -> None:
        """No more is wanted."""


class Route(Protocol):
    """What a stream needs of the predict route that it belongs to."""

    slot: Slot
    headers: Headers
    heartbeat_s: float
    recorder: Any
    refused: set[bytes]
    open_streams: set[OpenStream]
    reception: Reception

    def refuse(self, exchange: Exchange, error: Any) -> None:
        """Answer what is wrong with a request."""

    def shed(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer that there is no room."""


class OpenStream:
    """One stream on its way out. Nothing is sent before the first item, so that what fails by then is a plain error."""

    def __init__(self, route: Route, exchange: Exchange, patience_s: float) -> None:
        self.exchange = exchange
        self.source: Source | None = None
        self._route = route
        self._form: Form = form_of(exchange.accept)
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._window = ReceiveWindow()
        self._held: deque[bytes] = deque()  # items that the connection does not take yet
        self._rhythm: Rhythm | None = None  # there is one from the first item on
        self._timer: asyncio.TimerHandle | None = None
        self._ready = True  # the connection takes more
        self._answer: tuple[int, bytes] | None = None  # the end has come, and waits for what is held
        self._items = 0
        self._began_s = 0.0
        self._over = False

    # -- from the model ------------------------------------------------------------------------------------------

    def receive(self, item: bytes) -> None:
        """An item came."""
        if self._over:
            return
        now = monotonic()
        if self._rhythm is None:
            self._begin(now)
        if self._rhythm is None:
            return
        if not self._form.whole:
            self._rhythm.heard(now)
        if self._ready and not self._held:
            self._write(item, now)
        else:
            self._held.append(item)

    def end(self, status: int, body: bytes) -> None:
        """The model is done: 200 with nothing, or why it failed. What it gave before goes out first."""
        if self._over:
            return None
        if self._rhythm is None and status != 200:
            return self._refuse(status, body)
        if self._rhythm is None:
            self._begin(monotonic())
        if self._over:
            return None
        if self._held:
            self._answer = status, body
            return None
        return self._finish(status, body)

    def answered(self, answer: Answer) -> None:
        """The same, as it came from a holder."""
        if answer.status == lanes.LOST:
            self.end(503, self._error(LOST_MESSAGE, "holder_lost"))
        elif answer.status == lanes.EXPIRED:
            self.end(504, self._error(LATE_MESSAGE % "first", "deadline_exceeded"))
        else:
            self.end(answer.status, bytes(answer.body))

    # -- from the connection -------------------------------------------------------------------------------------

    def resume(self) -> None:
        """The connection takes more again."""
        if self._over or self._rhythm is None:
            return
        now = monotonic()
        self._ready = True
        while self._held and self._ready:
            self._write(self._held.popleft(), now)
        if self._ready:
            self._rhythm.unblock(now)
        if self._answer is not None and not self._held:
            self._finish(*self._answer)

    def leave(self) -> None:
        """The caller is gone: the model stops."""
        if not self._over:
            self._close(lambda: None)
            self._cancel()
            self._route.recorder.request(CANCELLED, self._seconds)

    def give_up(self) -> None:
        """The service has to end."""
        if not self._over:
            self._log("a stream was not done when the service had to end")
            self._cancel()
            self._finish(503, self._error(STOPPED_MESSAGE, "stopped"))

    # -- parts ---------------------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        if self.exchange.on_disconnect is None:  # it was answered meanwhile: the service ends
            self._over = True
            self._cancel()
            return
        self._began_s = now - self.exchange.arrived
        self._route.open_streams.add(self)
        self._rhythm = Rhythm(
            self._route.heartbeat_s, self._patience_s - (self._began_s if self._form.whole else 0.0), now
        )
        media = self._form.media + b"; charset=utf-8" if self._form.media == SSE else self._form.media
        self.exchange.open(with_media(self._route.headers, media) + AS_IT_COMES, self)
        self._timer = self._loop.call_later(self._rhythm.wake_at(now) - now, self._look)

    def _write(self, item: bytes, now: float) -> None:
        assert self._rhythm is not None
        self._items += 1
        self._route.recorder.items(1)
        self._ready = self.exchange.write(self._form.item(item))
        self._rhythm.wrote(now)
        if not self._ready:
            self._rhythm.block()
        credit = self._window.taken(weight(item))
        if credit and self.source is not None:
            self.source.credit(credit)

    def _look(self) -> None:
        """Now and then: a sign of life, or the end of the patience."""
        assert self._rhythm is not None
        now = monotonic()
        due = self._rhythm.due(now)
        if due is Due.END:
            self._cancel()
            self.end(504, self._error(LATE_MESSAGE % "next", "deadline_exceeded"))
            return
        if due is Due.BEAT:
            self._beat(now)
        self._timer = self._loop.call_later(self._rhythm.wake_at(now) - now, self._look)

    def _beat(self, now: float) -> None:
        assert self._rhythm is not None
        self._rhythm.wrote(now)
        if self._form.beat:
            self._ready = self.exchange.write(self._form.beat)
            if not self._ready:
                self._rhythm.block()

    def _refuse(self, status: int, body: bytes) -> None:
        """Nothing has gone out yet: an answer like that of any other model."""
        headers = self._route.headers + (RETRY_SOON if status == 503 else [])
        self._close(partial(self.exchange.respond, status, body, headers))
        self._route.recorder.request(_outcome(status, body), self._seconds)

    def _finish(self, status: int, body: bytes) -> None:
        last = self._form.end(self._items) if status == 200 else self._form.error(status, body)
        self._close(partial(self.exchange.finish, last, status))
        self._route.recorder.request(_outcome(status, body), self._seconds)

    def _close(self, say: Callable[[], None]) -> None:
        self._over = True
        self.exchange.on_disconnect = None
        self._route.open_streams.discard(self)
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(self.source, LaneSource):
            self.source.forget()
        say()

    def _cancel(self) -> None:
        if self.source is not None:
            self.source.cancel()

    @property
    def _seconds(self) -> float:
        """To the first item; of one that had none, to its end."""
        return self._began_s or monotonic() - self.exchange.arrived

    def _error(self, message: str, code: str) -> bytes:
        return simple_error(("model", self._route.slot.name), message, code)

    def _log(self, message: str) -> None:
        request_id = self.exchange.request_id.decode("ascii")
        log.warning("model %s: %s", self._route.slot.name, message, extra={"request_id": request_id})


def _outcome(status: int, body: bytes) -> int:
    """How a stream is counted that has begun."""
    if status == 503 and (b'"holder_lost"' in body or b'"stopped"' in body):
        return LOST
    return {200: OK, 504: EXPIRED, 408: CANCELLED}.get(status, INVALID if status < 500 else FAILED)


# -- where the items come from -------------------------------------------------------------------------------------


class LaneSource:
    """A stream in the model's holder."""

    def __init__(self, lane: lanes.HolderLane, call_id: int) -> None:
        self._lane = lane
        self._call_id = call_id

    def credit(self, size: int) -> None:
        """Tell the holder."""
        self._lane.credit(self._call_id, size)

    def cancel(self) -> None:
        """Tell the holder."""
        self._lane.cancel(self._call_id)

    def forget(self) -> None:
        """Hear no more of it."""
        self._lane.forget(self._call_id)


class LocalSource:
    """A stream in this very process. Its first item is waited for here, too."""

    def __init__(self, stream: Stream, cancel: Callable[[], None], expiry: asyncio.TimerHandle) -> None:
        self._stream = stream
        self._cancel = cancel
        self.expiry = expiry

    def credit(self, size: int) -> None:
        """The generator may go on."""
        self._stream.credit(size)

    def cancel(self) -> None:
        """It is closed."""
        self.expiry.cancel()
        self._cancel()


class Streams:
    """Takes the place of the way to a model that answers once, in the route of one that answers item by item."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def hand_over(self, exchange: Exchange, deadline: float, rows: int, outside: list[Loc], media: bytes = b"") -> None:
        """Ask the holder."""
        route = self._route
        if route.refused and digest(exchange.body) in route.refused:
            return route.refuse(exchange, lanes.record_refused())
        if exchange.reserved:
            route.reception.release(exchange)  # the lane counts it
        lane: lanes.HolderLane = route.slot.lane
        stream = OpenStream(route, exchange, deadline - exchange.arrived)
        sent = lane.send(exchange.body, rows, deadline, stream.answered, exchange.request_id, media, exchange.chain)
        if isinstance(sent, Refusal):
            return route.shed(exchange, sent)
        lane.listen(sent, stream.receive)
        stream.source = LaneSource(lane, sent)
        exchange.on_disconnect = stream.leave
        return None

    def run(self, exchange: Exchange, deadline: float, decoded: Decoded) -> None:
        """Run it in this process."""
        route = self._route
        if exchange.reserved:
            route.reception.release(exchange)  # the queue counts it
        lane = route.slot.lane
        patience_s = deadline - exchange.arrived
        out = OpenStream(route, exchange, patience_s)
        stream: Stream = lane.open(decoded.records[0], patience_s, out.receive)

        def done(outcomes: list[Any]) -> None:
            expiry.cancel()
            reply = lane.assemble(outcomes, False)
            if reply.cause:
                request_id = exchange.request_id.decode("ascii")
                log.error("model %s: %s", route.slot.name, reply.cause, extra={"request_id": request_id})
            out.end(reply.status, reply.body)

        def leave() -> None:
            lane.scheduler.cancel(ticket)
            lane.on_leave(ticket)

        def expire() -> None:
            if not stream.begun:
                leave()
                out.answered(Answer(0, lanes.EXPIRED, 0, 0, 0, 0.0, 0.0, b""))

        expiry = asyncio.get_running_loop().call_later(max(0.0, deadline - monotonic()), expire)
        ticket: Ticket[Any] | None = lane.scheduler.submit([stream], done, deadline, len(exchange.body), tag=exchange)
        if ticket is None:
            expiry.cancel()
            return route.shed(exchange, lane.scheduler.refusal())
        out.source = LocalSource(stream, leave, expiry)
        exchange.on_disconnect = out.leave
        return None

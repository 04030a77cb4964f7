"""The predict endpoint of one model: body in, answer out. How it serves is chosen once, when the model becomes ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from modelport.codecs.json import (
    MEDIA_TYPE,
    Decoded,
    compile_decoder,
    count_bodies,
    count_non_finite,
    encode_failure,
    may_hold_many,
)
from modelport.errors import BodyTooLarge, CallError, InvalidInput, Loc, NotReady, Overloaded
from modelport.fronts.compression import decompress, is_compressed
from modelport.fronts.exchange import JSON_TYPE, Exchange, Headers
from modelport.fronts.media import flag_headers, media_fault, read_deadline
from modelport.fronts.negotiation import Offers, Plan
from modelport.fronts.readers import READERS, Reading
from modelport.fronts.reception import LARGE_BODY, Reception
from modelport.fronts.status import error_body, failure_body, simple_error, status_of
from modelport.fronts.stream_offers import StreamOffers
from modelport.fronts.streams import RETRY_SOON, OpenStream, Streams
from modelport.fronts.translated import JSON_TYPES, TranslatedExchange, with_media
from modelport.kernel.admission import Refusal
from modelport.kernel.batcher import Ticket
from modelport.kernel.frames import Answer
from modelport.kernel.meters import CANCELLED, EXPIRED, FAILED, INVALID, LOST, NOT_READY, OK, SHED
from modelport.kernel.ports import Outcome
from modelport.kernel.reply import Reply, assemble
from modelport.runtime import lane as lanes
from modelport.runtime.digests import digest
from modelport.runtime.generators import Stream
from modelport.runtime.lifecycle import Slot, State
from modelport.runtime.scheduler import Scheduler

NOTHING_OUTSIDE: list[Loc] = []
HEARTBEAT_SECONDS = 15.0
MOST_SECONDS = 1e6
"""A timer takes no infinite time."""

MET = {**dict.fromkeys(range(400, 500), INVALID), 200: OK, 500: FAILED, 503: FAILED, 504: EXPIRED}
"""How an answer's status is counted."""

log = logging.getLogger("modelport.predict")
Decode = Callable[[bytes], Decoded]
Read = TypeVar("Read")


class Recorder(Protocol):
    """Counts requests of one model."""

    def request(self, outcome: int, seconds: float) -> None:
        """One request ended so, after so long."""

    def shed(self, reason: int) -> None:
        """One request was refused at the door."""


@dataclass(frozen=True, slots=True)
class LocalLane:
    """A model of this process. One in Python reads its bodies itself and assembles its answers.

    `beside`: reading runs code of its types, and so is done in a thread. `on_leave`: the caller of a ticket is gone. `open`:
    makes a stream of a body, where the model answers item by item. `decode_media`: reads bodies of the other media types that
    the model takes, and of calls whose answers are wanted in one.
    """

    scheduler: Scheduler
    decode: Decode | None = None
    beside: bool = False
    assemble: Callable[[list[Outcome], bool], Reply] | None = None
    on_leave: Callable[[Ticket[Any]], None] | None = None
    open: Callable[[Any, float, Callable[[bytes], None]], Stream] | None = None
    decode_media: Callable[[bytes, bytes], Decoded] | None = None


class PredictRoute:
    """Serves `POST …/predict` for one slot."""

    def __init__(
        self, slot: Slot, default_deadline_s: float, recorder: Recorder, max_body: int, reception: Reception
    ) -> None:
        self.slot = slot
        self.reception = reception
        self.max_body = max_body
        self.headers: Headers = [JSON_TYPE, (b"model-name", _header_value(slot.name))]
        self.default_deadline_s = default_deadline_s
        self.recorder = recorder
        self.heartbeat_s = HEARTBEAT_SECONDS
        self.open_streams: set[OpenStream] = set()
        self.refused: set[bytes] = set()
        self._failure_body = partial(failure_body, slot.name)
        self._decode: Decode | None = None
        self._offers: Offers | None = None
        self._assemble: Callable[[list[Outcome], bool], Reply] = self._assemble_saved
        self._pass_on, self._go = self._hand_over, self._run
        self._largest = LARGE_BODY
        self._serve: Callable[[Exchange, float], None] = self._refuse_not_ready
        slot.on_change.append(self._on_change)

    def _on_change(self, slot: Slot) -> None:
        if slot.state is not State.READY or slot.loaded is None:
            self._serve = self._refuse_not_ready
            return
        version = [(b"model-version", slot.loaded.version.encode())] if slot.loaded.version else []
        trusted = [(b"modelport-trusted-version", str(t).encode()) for t in [slot.loaded.form.get("trusted")] if t]
        self.headers = [*self.headers[:2], *version, *trusted]
        self._offers = Offers(slot.loaded)
        self._decode = compile_decoder(slot.loaded.signature) if slot.loaded.signature else None
        self._pass_on, self._go = self._hand_over, self._run
        if slot.loaded.streams:
            streams, self._offers = Streams(self), StreamOffers(slot.loaded)
            self._pass_on, self._go = streams.hand_over, streams.run
        self._assemble = self._assemble_saved
        if not isinstance(slot.lane, LocalLane):
            self._serve = self._serve_holder
            return
        self._serve = self._serve_local
        if slot.lane.decode is not None and slot.lane.assemble is not None:
            self._decode, self._assemble = slot.lane.decode, slot.lane.assemble
            self._largest = 0 if slot.lane.beside else LARGE_BODY

    @property
    def streams(self) -> bool:
        """Whether the model answers item by item, as far as that is known yet."""
        return self.slot.loaded is not None and self.slot.loaded.streams

    def serve(self, exchange: Exchange) -> None:
        """Answer one exchange, now or later; never raises for anything a caller sends."""
        serve = self._serve
        if exchange.content_type != MEDIA_TYPE or exchange.special:
            fault = media_fault(exchange)
            if fault is not None:
                return self.refuse(exchange, fault)
            if is_compressed(exchange.content_encoding):
                serve = self._serve_compressed
            elif exchange.content_type not in JSON_TYPES or exchange.accept is not None:
                serve = self._serve_media
            if serve != self._serve_media:
                exchange.body = bytes(exchange.body)
        if exchange.timeout is None:
            return serve(exchange, monotonic() + self.default_deadline_s)
        deadline = read_deadline(exchange.timeout)
        if isinstance(deadline, InvalidInput):
            return self.refuse(exchange, deadline)
        return serve(exchange, deadline)

    def serve_until(self, exchange: Exchange, deadline: float) -> None:
        """Answer an exchange of our own making."""
        if exchange.special:
            self._serve_media(exchange, deadline)
        else:
            self._serve(exchange, deadline)

    def _serve_compressed(self, exchange: Exchange, deadline: float) -> None:
        """Small bodies are opened here; what turns out to be large, in a thread."""
        if self.slot.state is not State.READY:
            return self._serve(exchange, deadline)
        body, coding = exchange.body, exchange.content_encoding or b""
        limit = min(LARGE_BODY, self.max_body)
        if len(body) <= limit:
            try:
                exchange.body = decompress(body, coding, limit)
            except BodyTooLarge as error:
                if limit == self.max_body:
                    return self.refuse(exchange, error)
            except InvalidInput as error:
                return self.refuse(exchange, error)
            else:
                return self._serve_media(exchange, deadline)

        def go_on(opened: bytes) -> None:
            exchange.body = opened
            refusal = self.reception.hold(exchange, len(opened))
            return self._serve_media(exchange, deadline) if refusal is None else self.shed(exchange, refusal)

        return self._in_thread(exchange, deadline, partial(decompress, body, coding, self.max_body), go_on)

    # -- other media types than JSON -----------------------------------------------------------------------------

    def _serve_media(self, exchange: Exchange, deadline: float) -> None:
        """Whatever is not plainly JSON in and JSON out; it may turn out to be just that."""
        if self._offers is None:
            return self._serve(exchange, deadline)
        plan = self._offers.find(exchange.content_type, exchange.accept)
        if not isinstance(plan, Plan):
            return self.refuse(exchange, plan)
        if plan.open is not None or plan.media[:1] in (b"", b"\n"):
            exchange.body = bytes(exchange.body)  # else it is passed on as it came
        told: Exchange = exchange
        if plan.close is not None:
            told = TranslatedExchange(exchange, plan.close, plan.closed)
        serve = partial(self._serve_raw, plan.media) if plan.media else self._serve
        if plan.open is None:
            return serve(told, deadline)

        def go_on(opened: bytes) -> None:
            exchange.body = told.body = opened
            refusal = self.reception.hold(exchange, len(opened))
            return serve(told, deadline) if refusal is None else self.shed(exchange, refusal)

        return self._in_thread(exchange, deadline, partial(plan.open, exchange.body), go_on)

    def _serve_raw(self, media: bytes, exchange: Exchange, deadline: float) -> None:
        """The model itself reads the body, or writes the answer."""
        if self.slot.state is not State.READY:
            return self._serve(exchange, deadline)
        if isinstance(self.slot.lane, LocalLane):
            return self._serve_local_media(self.slot.lane, media, exchange, deadline)
        if media[:1] == b"\n":  # the body is JSON
            return self._count(exchange, deadline, media)
        return self._pass_on(exchange, deadline, 1, NOTHING_OUTSIDE, media)

    # -- a model of this process ---------------------------------------------------------------------------------

    def _serve_local(self, exchange: Exchange, deadline: float) -> None:
        decode = self._decode
        assert decode is not None
        if len(exchange.body) > self._largest:
            run = partial(self._go, exchange, deadline)
            return self._in_thread(exchange, deadline, partial(decode, exchange.body), run)
        try:
            decoded = decode(exchange.body)
        except InvalidInput as error:
            return self.refuse(exchange, error)
        return self._go(exchange, deadline, decoded)

    def _serve_local_media(self, lane: LocalLane, media: bytes, exchange: Exchange, deadline: float) -> None:
        """Forms, images, arrays and tables: the model reads them itself, in a thread."""
        assert lane.decode_media is not None
        read = partial(lane.decode_media, exchange.body, media)
        self._in_thread(exchange, deadline, read, partial(self._go, exchange, deadline))

    def _in_thread(
        self, exchange: Exchange, deadline: float, read: Callable[[], Read], then: Callable[[Read], None]
    ) -> None:
        """Read a body off the loop, and go on with what was read, unless its caller has left or its time is up by then.

        Many may wait for a thread, so they are counted: until the thread has let go of the body, whoever has left before.
        """
        refusal = self.reception.hold(exchange, len(exchange.body)) or READERS.refusal()
        if refusal is not None:
            return self.shed(exchange, refusal)
        reading = Reading(read, exchange.reserved)
        exchange.reserved = 0

        def leave() -> None:
            end()
            self.recorder.request(CANCELLED, monotonic() - exchange.arrived)

        def expire() -> None:
            if exchange.on_disconnect is leave:
                end()
                self._expire(exchange)

        def end() -> None:
            timer.cancel()
            exchange.on_disconnect = None
            reading.drop()

        def go_on(done: asyncio.Future[Read]) -> None:
            timer.cancel()
            if exchange.on_disconnect is not leave:
                self.reception.release(reading)
                return
            exchange.on_disconnect = None
            exchange.reserved, reading.reserved = reading.reserved, 0
            self._go_on(exchange, done, then)

        loop = asyncio.get_running_loop()
        exchange.on_disconnect = leave
        timer = loop.call_later(min(deadline - monotonic(), MOST_SECONDS), expire)
        READERS.begin(reading).add_done_callback(go_on)
        return None

    def _go_on(self, exchange: Exchange, done: asyncio.Future[Read], then: Callable[[Read], None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, CallError):
            self.refuse(exchange, error)
        elif error is not None:
            self._crash(exchange, error)
        else:
            then(done.result())

    def _run(self, exchange: Exchange, deadline: float, decoded: Decoded) -> None:
        if not decoded.records:
            return self._send(exchange, 200, b"[]", self.headers)
        scheduler: Scheduler = self.slot.lane.scheduler
        if exchange.alone and (outcomes := scheduler.run_alone(decoded.records)) is not None:
            return self._answer(exchange, decoded, outcomes)
        if exchange.reserved:
            self.reception.release(exchange)  # the queue counts it
        done = partial(self._answer, exchange, decoded)
        ticket = scheduler.submit(decoded.records, done, deadline, len(exchange.body), tag=exchange)
        if ticket is None:
            return self.shed(exchange, scheduler.refusal())
        exchange.on_disconnect = partial(self._leave_local, exchange, scheduler, ticket)
        return None

    def _assemble_saved(self, outcomes: list[Outcome], listed: bool) -> Reply:
        return assemble(outcomes, listed, encode_failure, self._failure_body, count_non_finite)

    def _leave_local(self, exchange: Exchange, scheduler: Scheduler, ticket: Ticket[Any]) -> None:
        scheduler.cancel(ticket)
        if self.slot.lane.on_leave is not None:
            self.slot.lane.on_leave(ticket)
        self.recorder.request(CANCELLED, monotonic() - exchange.arrived)

    def _answer(self, exchange: Exchange, decoded: Decoded, outcomes: list[Outcome]) -> None:
        exchange.on_disconnect = None
        body = outcomes[0]
        if not decoded.batch and type(body) is bytes and not decoded.outside and b"null" not in body:
            return self._send(exchange, 200, body, self.headers)  # almost every call ends here
        reply = self._assemble(outcomes, decoded.batch)
        if reply.cause:
            self._log(exchange, reply)
        own = with_media(self.headers, reply.media) if reply.media else self.headers
        flags = flag_headers(decoded.outside, reply.non_finite, reply.failed) + (
            RETRY_SOON if reply.status == 503 else []
        )
        return self._send(exchange, reply.status, reply.body, own + flags)

    def _log(self, exchange: Exchange, reply: Reply) -> None:
        log.error(
            "model %s: %s", self.slot.name, reply.cause, extra={"request_id": exchange.request_id.decode("ascii")}
        )

    # -- a model of a holder -------------------------------------------------------------------------------------

    def _serve_holder(self, exchange: Exchange, deadline: float) -> None:
        if self._decode is None:
            return self._count(exchange, deadline)
        if len(exchange.body) > LARGE_BODY:
            decode = partial(self._decode, exchange.body)
            return self._in_thread(exchange, deadline, decode, partial(self._checked, exchange, deadline))
        try:
            decoded = self._decode(exchange.body)
        except InvalidInput as error:
            return self.refuse(exchange, error)
        return self._checked(exchange, deadline, decoded)

    def _count(self, exchange: Exchange, deadline: float, media: bytes = b"") -> None:
        """A body that only its holder can read: its rows are counted here, for the queue and for what a row costs."""
        assert self.slot.loaded is not None
        depth = self.slot.loaded.list_depth

        def go_on(rows: int) -> None:
            self._pass_on(exchange, deadline, rows, NOTHING_OUTSIDE, media)

        if len(exchange.body) > LARGE_BODY and may_hold_many(exchange.body, depth):
            return self._in_thread(exchange, deadline, partial(count_bodies, exchange.body, depth), go_on)
        return go_on(count_bodies(exchange.body, depth))

    def _checked(self, exchange: Exchange, deadline: float, decoded: Decoded) -> None:
        self._hand_over(exchange, deadline, len(decoded.records), decoded.outside)

    def _hand_over(
        self, exchange: Exchange, deadline: float, rows: int, outside: list[Loc], media: bytes = b""
    ) -> None:
        if self.refused and digest(exchange.body) in self.refused:
            return self.refuse(exchange, lanes.record_refused())
        if exchange.reserved:
            self.reception.release(exchange)  # the lane counts it
        lane: lanes.HolderLane = self.slot.lane
        on_answer = partial(self._answered, exchange, outside)
        sent = lane.send(exchange.body, rows, deadline, on_answer, exchange.request_id, media, exchange.chain)
        if isinstance(sent, Refusal):
            return self.shed(exchange, sent)
        exchange.on_disconnect = partial(self._leave_holder, exchange, lane, sent)
        return None

    def _leave_holder(self, exchange: Exchange, lane: lanes.HolderLane, call_id: int) -> None:
        lane.cancel(call_id)
        self.recorder.request(CANCELLED, monotonic() - exchange.arrived)

    def _answered(self, exchange: Exchange, outside: list[Loc], answer: Answer) -> None:
        exchange.on_disconnect = None
        body: Any = answer.body
        if type(body) is not bytes and not getattr(exchange, "takes_parts", False):
            body = bytes(body)
        if answer.status == lanes.LOST:
            return self._give_up(exchange, 503, "The process that ran the model ended; try again", "holder_lost", LOST)
        if answer.status == lanes.EXPIRED:
            return self._expire(exchange)
        if outside or answer.non_finite or answer.failed or answer.media:
            own = with_media(self.headers, answer.media) if answer.media else self.headers
            headers = own + flag_headers(outside, answer.non_finite, answer.failed)
            return self._send(exchange, answer.status, body, headers)
        if answer.status == 503:  # a model that it calls is overloaded, or gone
            return self._send(exchange, 503, body, self.headers + RETRY_SOON)
        return self._send(exchange, answer.status, body, self.headers)

    def _expire(self, exchange: Exchange) -> None:
        self._give_up(exchange, 504, "The deadline passed before the answer was there", "deadline_exceeded", EXPIRED)

    def _give_up(self, exchange: Exchange, status: int, message: str, code: str, met: int) -> None:
        retry = RETRY_SOON if status == 503 else []
        self.recorder.request(met, monotonic() - exchange.arrived)
        exchange.respond(status, simple_error(("model", self.slot.name), message, code), self.headers + retry)

    def give_up(self, exchange: Exchange) -> None:
        """Answer a call that is not done when the service has to end."""
        log.warning(
            "model %s: a call was not done when the service had to end",
            self.slot.name,
            extra={"request_id": exchange.request_id.decode("ascii")},
        )
        exchange.on_disconnect = None
        self._give_up(exchange, 503, "The service ended before the answer was there; try again", "stopped", LOST)

    def give_up_streams(self) -> None:
        """The same for the streams that have begun, whatever they leave by."""
        for stream in list(self.open_streams):
            stream.give_up()

    # -- endings -------------------------------------------------------------------------------------------------

    def _send(self, exchange: Exchange, status: int, body: bytes, headers: Headers) -> None:
        if status == 200 and type(exchange) is TranslatedExchange:  # counted as what it becomes
            return exchange.translate(body, headers, self._send)
        self.recorder.request(OK if status == 200 else MET.get(status, FAILED), monotonic() - exchange.arrived)
        return exchange.respond(status, body, headers)

    def _crash(self, exchange: Exchange, error: BaseException) -> None:
        log.error("decoding failed", exc_info=error, extra={"request_id": exchange.request_id.decode("ascii")})
        self._send(exchange, 500, simple_error(("server",), "Internal error", "internal_error"), self.headers)

    def refuse(self, exchange: Exchange, error: CallError) -> None:
        """Answer what is wrong with a request, and count it."""
        self._send(exchange, status_of(error), error_body(error), self.headers)

    def shed(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer that there is no room, and count it."""
        self.count_shed((refusal, exchange.arrived))
        self.tell_shed(exchange, refusal)

    def count_shed(self, shed: tuple[Refusal, float]) -> None:
        """A request that came then was refused."""
        refusal, arrived = shed
        self.recorder.shed(refusal.kind)
        self.recorder.request(SHED, monotonic() - arrived)

    def tell_shed(self, exchange: Exchange, refusal: Refusal) -> None:
        """The answer alone."""
        body = error_body(Overloaded(f"Overloaded: {refusal.reason}; try again in {refusal.retry_after_s} s"))
        exchange.respond(503, body, [*self.headers, (b"retry-after", b"%d" % refusal.retry_after_s)])

    def _refuse_not_ready(self, exchange: Exchange, deadline: float) -> None:
        if self.slot.state is State.FAILED:
            message = f"Model {self.slot.name!r} failed to load"
            hint = "the server's log says why"
        else:
            message = f"Model {self.slot.name!r} is still {self.slot.doing} ({self.slot.elapsed():.1f} s so far)"
            hint = ""
        self.recorder.request(NOT_READY, monotonic() - exchange.arrived)
        exchange.respond(503, error_body(NotReady(message), hint), [*self.headers, (b"retry-after", b"1")])


def _header_value(text: str) -> bytes:
    """Headers are ASCII; what is not is percent-encoded, as in a path."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~").encode("ascii")

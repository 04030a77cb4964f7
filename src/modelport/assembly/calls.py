"""Calls of models from the user's own code: from another model in its holder, or from a route in a worker.

A call is an exchange like that of an HTTP request and takes the same way from there: the same validation, admission, micro-batches,
counters and deadlines. Only who waits for the answer differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from modelport.assembly.answers import Carrier, answer_reader, body_type, error_of, saved_carrier, typed_carrier
from modelport.codecs.media import JSON
from modelport.codecs.stream_forms import COLLECTED
from modelport.errors import CallCycle, CallError, DeadlineExceeded, NotReady
from modelport.fronts.exchange import Headers, Writer, new_request_id
from modelport.fronts.predict import PredictRoute
from modelport.fronts.status import error_body
from modelport.kernel.context import CallContext, current, pack_chain
from modelport.service import Service

if TYPE_CHECKING:
    from modelport.assembly.streamed_calls import ItemStream

Answered = Callable[[int, bytes, Headers], None]
SPARE_S = 5.0
"""Beyond its deadline, that a thread waits for an answer which the loop owes it."""


class Reach(Protocol):
    """How this process reaches a model."""

    def __call__(self, model: str, deadline: float, then: Callable[[PredictRoute], None]) -> None:
        """Go on with its route when it can be asked, or when the deadline has passed. On the home loop."""


class CallExchange:
    """One call from code, as the routes see it."""

    __slots__ = (
        "accept",
        "alone",
        "arrived",
        "body",
        "chain",
        "content_type",
        "items",
        "left",
        "on_answer",
        "on_disconnect",
        "request_id",
        "reserved",
        "special",
    )
    content_encoding: bytes | None = None
    timeout: bytes | None = None

    def __init__(self, outgoing: Outgoing, on_answer: Answered) -> None:
        context = outgoing.context
        self.body = outgoing.body
        self.content_type: bytes | None = outgoing.media
        self.accept: bytes | None = outgoing.accept or None
        self.special = outgoing.media != JSON or outgoing.accept not in (b"", COLLECTED)
        self.request_id = context.request_id or new_request_id()
        self.chain = pack_chain(context.chain)
        self.arrived = monotonic()
        self.alone = False
        self.reserved = 0
        self.left = False
        self.on_answer = on_answer
        self.on_disconnect: Callable[[], None] | None = None

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Hand the answer to whoever waits."""
        if not self.left:
            self.on_answer(status, body, headers)

    def open(self, headers: Headers, writer: Writer) -> None:
        """The answer of a model that gives item by item: all of them are waited for."""
        self.items: list[bytes] = []

    def write(self, part: bytes) -> bool:
        """An item."""
        self.items.append(part)
        return True

    def finish(self, last: bytes, status: int) -> None:
        """The list of them, or what went wrong behind them."""
        self.respond(status, last if status != 200 else b"[" + b",".join(self.items) + b"]", [])

    def leave(self) -> None:
        """Nobody waits any more: the call leaves its queue, or is cancelled."""
        self.left = True
        if self.on_disconnect is not None:
            leave, self.on_disconnect = self.on_disconnect, None
            leave()


class Outgoing(NamedTuple):
    """A call that is about to be made."""

    model: str
    body: bytes
    media: bytes
    accept: bytes
    context: CallContext


class ServiceCaller:
    """Carries calls of one service's models to the loop of this process that knows the way (its home), and the answers back.

    `binary`: arrays, tables, images and bytes cross as such; not so to models of this very process, which read JSON.
    """

    def __init__(
        self,
        service: Service,
        home: asyncio.AbstractEventLoop,
        reach: Reach,
        default_deadline_s: float,
        binary: bool = True,
    ) -> None:
        self._service = service
        self._home = home
        self._reach = reach
        self._default_deadline_s = default_deadline_s
        self._carriers: dict[str, Carrier] = {}
        self._binary = binary

    async def call(self, model: str, record: Any) -> Any:
        """Ask from a coroutine. If it is cancelled, so is the call."""
        outgoing = self.outgoing(model, record)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[tuple[int, bytes, Headers]] = loop.create_future()

        def set_result(*answer: Any) -> None:
            if not waiting.done():
                waiting.set_result(answer)

        def hand_over(*answer: Any) -> None:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                loop.call_soon_threadsafe(set_result, *answer)

        at_home = loop is self._home
        exchange = CallExchange(outgoing, set_result if at_home else hand_over)
        self.run_at_home(at_home, self.begin, exchange, outgoing)
        try:
            answer = await waiting
        except asyncio.CancelledError:
            self.run_at_home(at_home, exchange.leave)
            raise
        return self._read(outgoing, *answer)

    def call_sync(self, model: str, record: Any) -> Any:
        """Ask from a thread, and wait."""
        if asyncio._get_running_loop() is not None:
            raise CallError(f"write  await service[{model!r}](…)  in an async def: .sync would stop its event loop")
        outgoing = self.outgoing(model, record)
        waiting: Future[tuple[int, bytes, Headers]] = Future()
        exchange = CallExchange(outgoing, lambda *answer: waiting.set_result(answer))
        self.run_at_home(False, self.begin, exchange, outgoing)
        try:
            answer = waiting.result(outgoing.context.deadline - monotonic() + SPARE_S)
        except BaseException:
            self.run_at_home(False, exchange.leave)
            raise
        return self._read(outgoing, *answer)

    def stream(self, model: str, record: Any) -> ItemStream:
        """The items of a model that answers item by item. Raises CallError for one that answers once."""
        from modelport.assembly.streamed_calls import ItemStream

        spec = self._service.models.get(model)
        typed = None if spec is None else body_type(spec)
        if typed is None or typed.stream is None:
            raise _of(
                model, CallError(f"it answers once: write  await service[{model!r}](…)  or  service[{model!r}].sync(…)")
            )
        return ItemStream(self, model, record, answer_reader(model, typed))

    # -- out -----------------------------------------------------------------------------------------------------

    def is_home(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this is the loop that knows the way."""
        return loop is self._home

    def outgoing(self, model: str, record: Any) -> Outgoing:
        """What is about to be asked. Raises CallError where that cannot be, TypeError for what is no data."""
        context = current.get() or CallContext()
        if model in context.chain:
            chain = " → ".join((*context.chain, model))
            raise _of(model, CallCycle(f"it is in this call already ({chain}), and would wait for itself"))
        default = monotonic() + self._default_deadline_s
        context = context._replace(deadline=default if context.deadline == inf else context.deadline)
        if context.deadline <= monotonic():
            raise _of(model, DeadlineExceeded("The deadline passed before it was asked"))
        try:
            return Outgoing(model, *self._carrier(model).send(record), context)
        except TypeError as error:
            raise TypeError(f"model {model!r}: this {type(record).__name__} cannot be sent: {error}") from None

    def begin(self, exchange: CallExchange, outgoing: Outgoing) -> None:
        """Ask, on the home loop."""
        deadline = outgoing.context.deadline

        def serve(route: PredictRoute) -> None:
            if not exchange.left:
                route.serve_until(exchange, deadline)

        try:
            self._reach(outgoing.model, deadline, serve)
        except LookupError:  # a worker that was not told yet which models there are, or an old one in a reload
            missing = NotReady(f"Model {outgoing.model!r} is not served here yet")
            exchange.respond(503, error_body(missing), [])

    def run_at_home(self, at_home: bool, work: Callable[..., None], *args: Any) -> None:
        """Have something run on the home loop; at once where that is the running one."""
        if at_home:
            work(*args)
        else:
            self._home.call_soon_threadsafe(work, *args)

    # -- back ----------------------------------------------------------------------------------------------------

    def _read(self, outgoing: Outgoing, status: int, body: bytes, headers: Headers) -> Any:
        if status != 200:
            raise error_of(outgoing.model, status, body)
        return self._carrier(outgoing.model).read(outgoing.body, body, headers)

    def _carrier(self, model: str) -> Carrier:
        carrier = self._carriers.get(model)
        if carrier is None:
            spec = self._service.models.get(model)
            carrier = saved_carrier(model) if spec is None else typed_carrier(spec, self._binary)
            self._carriers[model] = carrier
        return carrier


def _of(model: str, error: CallError) -> CallError:
    error.model = model
    return error


def reach_routes(routes: Mapping[str, PredictRoute]) -> Reach:
    """In a worker, every model has its route; one that is loading says so, as it does over HTTP."""

    def reach(model: str, deadline: float, then: Callable[[PredictRoute], None]) -> None:
        then(routes[f"/models/{model}/predict"])

    return reach

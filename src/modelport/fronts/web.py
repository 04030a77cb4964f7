"""The connection's half of a request that the web lane serves: a user's own route or a mounted application.

It stands where Uvicorn's request cycle keeps its event, so it is told of every part of the body and of the client's leaving; the
cycle itself writes the answer. No task and no future is made on this loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from modelport.errors import BodyTooLarge, Problem
from modelport.fronts.exchange import JSON_TYPE, Headers, echo_request_id
from modelport.fronts.status import error_body, simple_error

log = logging.getLogger("modelport.web")

Message = MutableMapping[str, Any]

UNREAD_BYTES = 256 * 1024
"""Of a body that the application has not taken; beyond it the connection is not read."""


class LaneCall(Protocol):
    """The application's half, in the lane's thread."""

    def feed(self, part: tuple[bytes, bool]) -> None:
        """More of the body, and whether there is more still."""

    def leave(self, _: Any = None) -> None:
        """The client is gone."""

    def acknowledge(self, size: int) -> None:
        """The connection took so much of the answer."""


class Lane(Protocol):
    """Where the application runs."""

    def begin(self, scope: Any, exchange: Any, body: bytes, more: bool) -> LaneCall:
        """Serve a request whose body, or the beginning of it, is there."""

    def post(self, function: Callable[[Any], None], argument: Any = None) -> None:
        """Have a call told something, in its thread."""


class WebExchange:
    """One request on its way to the web lane, and its answer on the way back."""

    __slots__ = ("_call", "_cycle", "_held", "_lane", "_max_body", "_over", "_size", "_unread")

    def __init__(self, cycle: RequestResponseCycle, lane: Lane, max_body: int) -> None:
        self._cycle = cycle
        self._lane = lane
        self._max_body = max_body
        self._call: LaneCall | None = None
        self._size = 0
        self._unread = 0
        self._held: deque[Message] | None = None  # what waits for a slow reader
        self._over = False

    # -- the request ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The head is read. The body mostly comes in the same packet: the lane is told of both at once."""
        self._cycle.message_event = self  # type: ignore[assignment]
        if self._announced() > self._max_body:
            self._refuse_size()
        elif not self._cycle.more_body:  # it was pipelined, and read while it waited for its turn
            self.set()
        else:
            asyncio.get_running_loop().call_soon(self._begin_unless_begun)

    def _announced(self) -> int:
        if self._cycle.scope["method"] in ("GET", "HEAD"):
            return 0
        length = dict(self._cycle.scope["headers"]).get(b"content-length", b"")
        return int(length) if length.isdigit() else 0

    def _begin_unless_begun(self) -> None:
        if self._call is None and not self._over:
            self._begin()

    def _begin(self) -> None:
        self._call = self._lane.begin(self._cycle.scope, self, self._take(), self._cycle.more_body)

    def _take(self) -> bytes:
        body = bytes(self._cycle.body)
        self._cycle.body = bytearray()
        self._unread += len(body)
        self._size += len(body)
        return body

    def set(self) -> None:
        """Uvicorn's word for: the body grew or is whole, the answer is complete, or the client is gone."""
        cycle = self._cycle
        if self._over or cycle.response_complete:
            return
        if cycle.disconnected:
            self._leave()
        elif self._size + len(cycle.body) > self._max_body:
            self._refuse_size()
        elif self._call is None:
            if not cycle.more_body:
                self._begin()
        else:
            self._lane.post(self._call.feed, (self._take(), cycle.more_body))
            if self._unread > UNREAD_BYTES and cycle.more_body:
                cycle.flow.pause_reading()

    def continue_body(self, size: int) -> None:
        """The application took so much, and wants more."""
        cycle = self._cycle
        self._unread -= size
        if self._over or cycle.response_complete or cycle.disconnected:
            return
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.waiting_for_100_continue = False
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._unread <= UNREAD_BYTES:
            cycle.flow.resume_reading()

    def _leave(self) -> None:
        self._over, self._held = True, None
        if self._call is not None:
            self._lane.post(self._call.leave)

    def _refuse_size(self) -> None:
        self._leave()
        message = f"The body is larger than {self._max_body:,} bytes"
        problem = Problem(("body",), message, "body_too_large", None, "send less at once, or raise --max-body")
        self._answer(413, error_body(BodyTooLarge([problem])), [JSON_TYPE, (b"connection", b"close")])

    # -- the answer ----------------------------------------------------------------------------------------------

    def deliver(self, message: Message) -> None:
        """The application sent this: write it, or keep it while the reader is slow."""
        if self._over:
            return
        if self._held is not None:
            self._held.append(message)
        elif self._cycle.flow.write_paused:
            self._held = deque((message,))
        else:
            self._write(message)

    def resume(self) -> None:
        """The connection takes more again."""
        held = self._held
        while held and not self._over:
            if self._cycle.flow.write_paused:
                return
            self._write(held.popleft())
        self._held = None

    def _write(self, message: Message) -> None:
        try:
            self._step(message)
        except RuntimeError as error:  # more or fewer bytes than announced, or a header that is none
            log.error("%s: %s", self._cycle.scope["path"], error)
            self._leave()
            self._end_badly()
            return
        if message.get("more_body") and self._call is not None:
            self._lane.post(self._call.acknowledge, len(message.get("body", b"")))

    def _step(self, message: Message) -> None:
        """Uvicorn's `send` waits for a slow reader only, and that was looked at: it ends at its first step."""
        try:
            self._cycle.send(message).send(None)  # type: ignore[arg-type]
        except StopIteration:
            return
        raise RuntimeError("the connection waits where it should not")

    def ended(self, failed: bool) -> None:
        """The application returned, or raised, before its answer was complete."""
        if self._over or self._cycle.response_complete or self._cycle.disconnected:
            return
        if not failed:
            log.error("%s: the application returned without a complete answer", self._cycle.scope["path"])
        self._leave()
        self._end_badly()

    def _end_badly(self) -> None:
        """A 500, or where the answer has begun, its end before it is whole: so the client can tell."""
        if self._cycle.response_started:
            self._cycle.transport.close()
        else:
            self._answer(500, simple_error(("server",), "Internal error", "internal_error"), [JSON_TYPE])

    def _answer(self, status: int, body: bytes, headers: Headers) -> None:
        if self._cycle.response_started:
            self._cycle.transport.close()
            return
        sent_id = dict(self._cycle.scope["headers"]).get(b"request-id")
        more: Headers = [(b"request-id", echo_request_id(sent_id)), (b"content-length", b"%d" % len(body))]
        self._step({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
        self._step({"type": "http.response.body", "body": body})

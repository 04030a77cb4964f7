"""Our server's HTTP protocol: Uvicorn's, with a direct path for model endpoints.

Measured on one core at 32 connections (docs/architecture.md): the ASGI path of Uvicorn echoes 35,000 requests/s, this
direct path 110,000. It saves the scope, a task, a future and the second write per answer. Everything else (documentation, probes,
user routes, pipelined requests) takes Uvicorn's ASGI path unchanged, so there is still one application.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from modelport.codecs.json import MEDIA_TYPE
from modelport.errors import BodyTooLarge, Problem
from modelport.fronts.chunked import ChunkedAnswer
from modelport.fronts.exchange import ANY_ANSWER, JSON_TYPE, Headers, Writer, echo_request_id, new_request_id
from modelport.fronts.predict import PredictRoute
from modelport.fronts.reception import LARGE_BODY
from modelport.fronts.status import simple_error
from modelport.fronts.web import WebExchange
from modelport.kernel.frames import Body, Parts, packets_of
from modelport.runtime.stall import WriteStall

log = logging.getLogger("modelport.protocol")

HEAD_SECONDS = 10.0
BODY_STALL_SECONDS = 20.0
BODY_SECONDS = 300.0
DRAIN_IDLE_SECONDS = 1.0
MAX_HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 5.0
"""How long what a refused caller still sends is thrown away, so that it comes to read why: hanging up would reset the answer."""
LATE = "The request did not arrive in time"
IDLE_SECONDS = 75.0
"""Longer than the 60 s after which common load balancers drop an idle connection, so that they, not we, close it."""


READ_HEADERS = frozenset(
    {b"accept", b"content-encoding", b"content-length", b"content-type", b"request-id", b"request-timeout"}
)


class Clock:
    """A monotonic clock read ten times a second by the server's tick: precise enough for timeouts, free to read."""

    now = 0.0


class _NoEvent:
    """Stands where Uvicorn's request cycle keeps its event: nobody waits on a direct call."""

    def set(self) -> None:
        """Nothing."""


class DirectCall:
    """One exchange on the direct path. To Uvicorn's protocol it looks like the request cycle in progress."""

    __slots__ = (
        "accept",
        "alone",
        "announced",
        "arrived",
        "body",
        "content_encoding",
        "content_type",
        "disconnected",
        "keep_alive",
        "on_disconnect",
        "parts",
        "protocol",
        "request_id",
        "reserved",
        "response_complete",
        "route",
        "size",
        "special",
        "timeout",
    )
    message_event = _NoEvent()
    chain = b""  # it comes from outside
    takes_parts = True

    def __init__(self, protocol: ModelportProtocol, route: PredictRoute, keep_alive: bool) -> None:
        self.protocol = protocol
        self.route = route
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.arrived = monotonic()
        self.alone = len(protocol.connections) == 1
        self.on_disconnect: Callable[[], None] | None = None
        self.content_type: bytes | None = None
        self.timeout: bytes | None = None
        self.content_encoding: bytes | None = None
        self.accept: bytes | None = None
        self.special = False
        self.request_id = b""
        self.body: Any = b""  # `Parts` only for those who take them
        self.parts: list[bytes] | None = None
        self.size = self.announced = self.reserved = 0

    def open(self, headers: Headers, writer: Writer) -> None:
        """Begin an answer that comes in parts."""
        if self.reserved:
            self.route.reception.release(self)
        self.protocol.chunked = ChunkedAnswer(self, headers, writer)

    def write(self, part: bytes) -> bool:
        """A part of it. Whether the connection takes more at once; if not, the writer is told when it does."""
        chunked = self.protocol.chunked
        return chunked is None or chunked.write(part)

    def finish(self, last: bytes, status: int) -> None:
        """The last part."""
        chunked, self.protocol.chunked = self.protocol.chunked, None
        if chunked is not None:
            chunked.finish(last)

    def respond(self, status: int, body: Body, headers: Headers) -> None:
        """Send the answer in one write, and let the connection go on."""
        if self.response_complete:
            return
        self.response_complete = True
        if self.reserved:
            self.route.reception.release(self)
        if not self.disconnected:
            self.protocol.write_answer(self, status, body, headers)


def _without_offer(connection: bytes) -> bytes:
    """The options of a Connection header that are not about another protocol."""
    options = [option.strip() for option in connection.split(b",")]
    return b", ".join(option for option in options if option.lower() not in (b"upgrade", b"http2-settings"))


class ModelportProtocol(HttpToolsProtocol):
    """One connection. `routes` and `max_body` are set on a subclass, once, at start-up."""

    routes: Mapping[bytes, PredictRoute] = {}
    max_body = 16 * 1024 * 1024
    least_digits = len(str(LARGE_BODY))
    """Of a length that matters, because it is beyond a limit or to be counted: shorter ones are not read."""
    heads: dict[Any, bytes] = {}  # noqa: RUF012  shared by all connections on purpose
    heads_date: Any = None
    clock = Clock()
    serve_elsewhere: Callable[[RequestResponseCycle], WebExchange | None] = staticmethod(lambda cycle: None)
    """Hands a request to the web lane, where its path is neither ours nor a model's; else gives None."""
    web: WebExchange | None = None  # the last request that went there
    chunked: ChunkedAnswer | None = None  # what is under way
    websockets: Any = None
    """Uvicorn's protocol for them, where the user's code may have some."""
    draining = False
    offered: bytes | None = None  # the first line of a request that offers to speak another protocol
    direct: DirectCall | None = None
    head_since: float | None = None  # a request's head has begun and is not whole
    head_bytes = 0
    body_since = 0.0
    heard = 0.0
    lingers_until: float | None = None  # refused, while its body was coming in

    def data_received(self, data: bytes) -> None:
        """Parse; a head that goes on and on over several packets is cut."""
        if self.head_since is not None:
            self.head_bytes += len(data)
        self.heard = self.clock.now
        try:
            self._feed(data)
        except httptools.HttpParserError:
            return self.send_400_response("Invalid HTTP request received")
        if self.head_bytes > MAX_HEAD_BYTES and self.head_since is not None:  # the packets held nothing but this head
            self._cut(431, simple_error(("request",), "The request's head is too large", "head_too_large"))
        elif self.direct is not None:
            self._hold(self.direct)
        return None

    def _feed(self, data: bytes | memoryview) -> None:
        """An offer to speak another protocol is not taken: what follows it belongs to the request."""
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._should_upgrade():
                    return self.handle_websocket_upgrade()
                data = memoryview(data)[offer.args[0] :]
                if not self.offered:  # the parser takes CONNECT for one, too
                    return self.send_400_response("CONNECT is for proxies")
                self._read_head_again(self.offered)

    def _read_head_again(self, first_line: bytes) -> None:
        """The parser skips the body of a request that offers an upgrade; it does not skip that of the same one without it."""
        kept = [(name, _without_offer(value) if name == b"connection" else value) for name, value in self.headers]
        lines = [b"%b: %b\r\n" % header for header in kept if header[0] not in (b"upgrade", b"http2-settings")]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn does
        self.parser.feed_data(b"%b%b\r\n" % (first_line, b"".join(lines)))

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in our shape, too."""
        self._cut(400, simple_error(("request",), msg, "invalid_http"))

    def on_message_begin(self) -> None:
        """Put off building a scope until we know that one is needed."""
        self.head_bytes = 0
        self.head_since = self.clock.now
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.direct = None

    def on_headers_complete(self) -> None:
        """Choose between the direct path and ASGI."""
        self.head_since = None
        self.body_since = self.clock.now
        self.offered = None
        if self.parser.should_upgrade():
            return self._begin_websocket() if self._should_upgrade() else self._note_offer()
        route = self.routes.get(self.url)
        cycle = self.cycle
        if route is None or self.parser.get_method() != b"POST" or not (cycle is None or cycle.response_complete):
            self._begin_asgi()
        else:
            self._begin_direct(route)
        return None

    def _note_offer(self) -> None:
        method = self.parser.get_method()
        version = self.parser.get_http_version().encode()
        self.offered = b"" if method == b"CONNECT" else b"%b %b HTTP/%b\r\n" % (method, self.url, version)

    def _begin_websocket(self) -> None:
        """Uvicorn answers the handshake from this scope, by a protocol of its own."""
        headers = self.headers
        url = self.url
        super().on_message_begin()
        self.url, self.headers = url, headers
        self.scope["method"], self.scope["headers"] = "GET", headers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Uvicorn calls this when a request's turn has come."""
        web = self.serve_elsewhere(cycle)
        if web is None:
            return super()._start_asgi_task(cycle, app)
        self.web = web
        return web.start()

    def _begin_asgi(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()
        if self.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def _begin_direct(self, route: PredictRoute) -> None:
        call = DirectCall(self, route, self.parser.should_keep_alive() and not self.draining)
        self.direct = self.cycle = call  # type: ignore[assignment]
        sent_id = None
        for name, value in self.headers:
            if name not in READ_HEADERS:
                continue
            if name == b"content-type":
                call.content_type = value
            elif name == b"request-id":
                sent_id = value
            elif name == b"request-timeout":
                call.timeout = value
            elif name == b"content-encoding":
                call.content_encoding, call.special = value, True
            elif name == b"accept":
                if value not in ANY_ANSWER:
                    call.accept, call.special = value, True
            elif name == b"content-length" and len(value) >= self.least_digits:
                call.announced = int(value)
        call.request_id = new_request_id() if sent_id is None else echo_request_id(sent_id)
        if call.announced > self.max_body:
            self._refuse_size(call)
        elif self.expect_100_continue and self._hold(call):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Collect the body, up to the limit."""
        call = self.direct
        if call is None:
            super().on_body(body)
        elif not call.response_complete:
            call.size += len(body)
            if call.size > self.max_body:
                self._refuse_size(call)
            elif not call.body:
                call.body = body
            elif call.parts is None:
                call.parts = [call.body, body]
            else:
                call.parts.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: serve it."""
        call = self.direct
        if self.offered is not None:
            return  # it is read again, without the offer
        if self.lingers_until is not None:
            self.transport.close()
        elif call is None:
            super().on_message_complete()
        elif not call.response_complete:
            self.direct = None
            if call.parts is not None:
                call.body = self._whole(call, call.parts)
                call.parts = None
            try:
                call.route.serve(call)
            except Exception:  # the parser would take it for a malformed request and answer 400
                log.exception("serving failed", extra={"request_id": call.request_id.decode("ascii")})
                call.respond(500, simple_error(("server",), "Internal error", "internal_error"), call.route.headers)

    def _whole(self, call: DirectCall, packets: list[bytes]) -> Body:
        """What is no JSON may be passed on as it came: whoever reads it puts it together."""
        if call.content_type == MEDIA_TYPE or call.size <= LARGE_BODY:
            return b"".join(packets)
        return Parts(packets)

    def _hold(self, call: DirectCall, least: int = LARGE_BODY) -> bool:
        """Count a body that is not whole, if it is larger than `least`: all that it is to be, or has become. False: refused."""
        size = max(call.announced, call.size)
        if size <= least or call.response_complete:
            return not call.response_complete
        refusal = call.route.reception.hold(call, size)
        if refusal is not None:
            call.body, call.parts = b"", None
            self.lingers_until = self.clock.now + LINGER_SECONDS
            call.keep_alive = False
            call.route.shed(call, refusal)
        return refusal is None

    def _refuse_size(self, call: DirectCall) -> None:
        message = f"The body is larger than {self.max_body:,} bytes"
        problem = Problem(("body",), message, "body_too_large", None, "send fewer records at once, or raise --max-body")
        call.keep_alive = False  # the rest of the body is not read
        call.route.refuse(call, BodyTooLarge([problem]))

    def write_answer(self, call: DirectCall, status: int, body: Body, headers: Headers) -> None:
        """One write for head and body; heads are rendered once per second and route."""
        if status == 200 and headers is call.route.headers:
            if self.heads_date is not self.server_state.default_headers:
                self._forget_heads()
            head = self.heads.get(call.route)
            if head is None:
                head = self.heads[call.route] = self._render_head(200, headers)
        else:
            head = self._render_head(status, headers)
        close = b"" if call.keep_alive else b"connection: close\r\n"
        head = b"%brequest-id: %b\r\ncontent-length: %d\r\n%b\r\n" % (head, call.request_id, len(body), close)
        if len(body) <= LARGE_BODY:
            self.transport.write(head + bytes(body))
        else:  # to copy it behind its head would take as long as a small call
            self.transport.writelines([head, *packets_of(body)])
        if not call.keep_alive and self.lingers_until is None:
            self.transport.close()
        self.on_response_complete()

    def _forget_heads(self) -> None:
        kind = type(self)
        kind.heads = {}
        kind.heads_date = self.server_state.default_headers

    def _render_head(self, status: int, headers: Headers) -> bytes:
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        return STATUS_LINE[status] + b"".join(lines)

    # -- timeouts: one sweep over all connections instead of a timer per answer ------------------------------------

    def connection_made(self, transport: Any) -> None:
        """A connection counts as idle from its first moment."""
        super().connection_made(transport)
        self.ws_protocol_class = self.websockets
        self.heard = self.clock.now
        self.unread = WriteStall()

    def pause_writing(self) -> None:
        """The caller does not read its answers: take no more requests from it until it does."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """It has read on."""
        super().resume_writing()
        if self.web is not None:
            self.web.resume()
        if self.chunked is not None:
            self.chunked.writer.resume()
        if not self.pipeline:
            self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever works on this connection's call is told that nobody waits any more."""
        cycle = self.cycle
        super().connection_lost(exc)
        if isinstance(cycle, DirectCall):
            cycle.route.reception.release(cycle)
        if isinstance(cycle, DirectCall) and not cycle.response_complete and cycle.on_disconnect is not None:
            cycle.response_complete = True
            cycle.on_disconnect()

    def _unset_keepalive_if_required(self) -> None:
        """Uvicorn calls this whenever bytes come in."""
        self.heard = self.clock.now

    def on_response_complete(self) -> None:
        """Go on with what was pipelined, or become idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.heard = self.clock.now
        if not self.flow.write_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        """The server drains: the next answer ends the connection; one that stays idle is closed a moment later.

        Closing an idle connection at once would reset the request that is just on its way.
        """
        self.draining = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(DRAIN_IDLE_SECONDS, self._close_if_idle)

    def give_up(self) -> None:
        """The service has to end: whoever still waits for an answer is told, or cut where its request is not whole."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if isinstance(cycle, DirectCall) and self.direct is None:
                cycle.keep_alive = False
                return cycle.route.give_up(cycle)
            log.warning("%s was not answered before the service had to end", self.url.decode("ascii", "replace"))
        return self.transport.close()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def sweep(self) -> None:
        """Cut what is too slow: readers, heads, bodies, idle connections. What waits for its answer is not ours to cut."""
        now = self.clock.now
        cycle = self.cycle
        if self.flow.read_paused:
            self.heard = now  # it is we who do not read
        if self.unread.is_stuck(self.transport.get_write_buffer_size(), now):
            self.transport.abort()  # to close would wait until it has read everything
        elif self.lingers_until is not None:
            if now > self.lingers_until:
                self.transport.close()
        elif self.head_since is not None and self.chunked is None:  # one that is pipelined behind a stream may wait
            if now - self.head_since > HEAD_SECONDS:
                self._cut(408, simple_error(("request",), LATE, "request_timeout"))
        elif cycle is None or cycle.response_complete:
            if now - self.heard > (HEAD_SECONDS if cycle is None else IDLE_SECONDS):  # its first head is due, too
                self.transport.close()
        elif (self.direct is not None or getattr(cycle, "more_body", False)) and (
            now - self.heard > BODY_STALL_SECONDS or now - self.body_since > BODY_SECONDS
        ):
            self._cut(408, simple_error(("request",), LATE, "request_timeout"))
        elif self.direct is not None:
            self._hold(self.direct, least=0)

    def _cut(self, status: int, body: bytes) -> None:
        """Answer, and close."""
        if not self.transport.is_closing():
            head = self._render_head(status, [JSON_TYPE])
            self.transport.write(b"%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (head, len(body), body))
            self.transport.close()

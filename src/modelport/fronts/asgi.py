"""The ASGI application: an exact-match dispatch for everything that is not a user's own route."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from time import monotonic
from typing import Any, Protocol
from urllib.parse import quote

from modelport.fronts.asgi_streams import AsgiStream, send_stream
from modelport.fronts.exchange import ANY_ANSWER, JSON_TYPE, Headers, Writer, echo_request_id
from modelport.fronts.predict import PredictRoute
from modelport.fronts.sockets import serve_socket
from modelport.fronts.status import simple_error
from modelport.kernel.admission import Refusal

log = logging.getLogger("modelport.asgi")

MODELS, PREDICT = "/models/", "/predict"
MAX_SERVED = 400
"""Characters of a hint that the names of the models may take."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=lambda: [JSON_TYPE])


Get = Callable[[Scope], Response]


class TooLarge(Exception):
    """The body went over the limit while it was read."""


class Disconnected(Exception):
    """The client left before its body was whole."""


class NoRoom(Exception):
    """Too many other bodies are on their way in."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class AsgiExchange:
    """One exchange with a predict route under any ASGI server. Its body is read after it was made."""

    chain = b""  # it comes from outside

    def __init__(self, headers: Mapping[bytes, bytes], request_id: bytes) -> None:
        self.content_type = headers.get(b"content-type")
        self.content_encoding = headers.get(b"content-encoding")
        accept = headers.get(b"accept")
        self.accept = None if accept in ANY_ANSWER else accept
        self.special = self.content_encoding is not None or self.accept is not None
        self.timeout = headers.get(b"request-timeout")
        self.request_id = request_id
        self.body = b""
        self.reserved = 0
        self.arrived = monotonic()
        self.on_disconnect: Callable[[], None] | None = None
        self.alone = False
        self.parts: AsgiStream | None = None
        self.answer: asyncio.Future[Response | AsgiStream] = asyncio.get_running_loop().create_future()

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> AsgiExchange:
        """For a request with these headers, with its own id or a new one."""
        return cls(headers, echo_request_id(headers.get(b"request-id")))

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Hand the answer to the waiting request: as plain bytes, which is all that some servers take."""
        if not self.answer.done():
            plain = body if type(body) is bytes else bytes(body)
            self.answer.set_result(Response(status, plain, headers))

    def open(self, headers: Headers, writer: Writer, on_taken: Callable[[int], None] | None = None) -> None:
        """Hand over an answer that comes in parts."""
        self.parts = AsgiStream(headers, writer, on_taken)
        if not self.answer.done():
            self.answer.set_result(self.parts)

    def write(self, part: bytes) -> bool:
        """A part of it. Whether the server takes more at once."""
        return self.parts is None or self.parts.write(part)

    def finish(self, last: bytes, status: int) -> None:
        """The last part."""
        if self.parts is not None:
            self.parts.finish(last, status)


class Beside(Protocol):
    """An ASGI application whose lifespan is called by name."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""

    async def startup(self) -> None:
        """Before the first request."""

    async def shutdown(self) -> None:
        """After the last."""


class ModelportApp:
    """`await app(scope, receive, send)`. GET paths in `threaded` take milliseconds: they are answered off the loop."""

    def __init__(
        self,
        predict: Mapping[str, PredictRoute],
        gets: Mapping[str, Get],
        max_body: int,
        threaded: frozenset[str] = frozenset(),
    ) -> None:
        self.predict = predict
        self.gets = gets
        self.max_body = max_body
        self.threaded = threaded
        self.loading = False
        """Whether it is not known yet what else is served."""
        self.sockets = False
        """Whether models that answer item by item answer WebSockets."""
        self.bridge: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None
        """Serves the WebSockets of a user's routes."""
        self.beside: Beside | None = None
        """Routes of a user that are served on this very loop, at every path that is not ours."""
        self._start: Callable[[], None] | None = None

    def start_with(self, start: Callable[[], None]) -> None:
        """Call `start` once, on the first event: under a foreign server nobody else can begin to load the models."""
        self._start = start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        self._ensure_started()
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send, self.beside)
        elif scope["type"] == "websocket" and (route := self._socket_of(scope)) is not None:
            headers = dict(scope["headers"])
            await serve_socket(route, AsgiExchange.of, headers, receive, send, self.max_body)
        elif self.beside is not None and not (scope["type"] == "http" and self.owns(_local_path(scope))):
            await self.beside(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket" and self.bridge is not None:
            await self.bridge(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    def _socket_of(self, scope: Scope) -> PredictRoute | None:
        """The model that answers a WebSocket item by item. None where it does not, or where something guards it."""
        route = self.predict.get(_local_path(scope)) if self.sockets else None
        return route if route is not None and route.streams else None

    def owns(self, path: str) -> bool:
        """Whether a path is a model's or one of our pages."""
        return path in self.predict or path in self.gets

    def _ensure_started(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            start()

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request_id = echo_request_id(headers.get(b"request-id"))
        path = _local_path(scope)
        try:
            response = await self._respond(scope, path, headers, request_id, receive)
        except Disconnected:
            return None
        except Exception:  # a server would answer in a shape of its own
            log.exception("answering %s failed", path, extra={"request_id": request_id.decode("ascii")})
            response = Response(500, simple_error(("server",), "Internal error", "internal_error"))
        if isinstance(response, AsgiStream):
            return await send_stream(response, request_id, receive, send)
        return await _send_response(response, request_id, scope["method"], send)

    async def _respond(
        self, scope: Scope, path: str, headers: Mapping[bytes, bytes], request_id: bytes, receive: Receive
    ) -> Response | AsgiStream:
        method = scope["method"]
        route = self.predict.get(path)
        if route is not None:
            return (
                await self._predict(route, headers, request_id, receive)
                if method == "POST"
                else _not_allowed("POST", "send a record as JSON with POST; GET /docs shows one")
            )
        get = self.gets.get(path)
        if get is None:
            return self._not_found(path)
        if method not in ("GET", "HEAD"):
            return _not_allowed(
                "GET, HEAD", "predictions are asked with POST at /models/{name}/predict; GET /docs shows how"
            )
        return await asyncio.to_thread(get, scope) if path in self.threaded else get(scope)

    async def _predict(
        self, route: PredictRoute, headers: Mapping[bytes, bytes], request_id: bytes, receive: Receive
    ) -> Response | AsgiStream:
        exchange = AsgiExchange(headers, request_id)
        hold = partial(route.reception.hold, exchange)
        try:
            exchange.body = await _read_body(receive, self.max_body, headers.get(b"content-length"), hold)
            route.serve(exchange)
            return exchange.answer.result() if exchange.answer.done() else await _answer_or_leave(exchange, receive)
        except TooLarge:
            return _too_large(self.max_body)
        except NoRoom as none:
            route.shed(exchange, none.refusal)
            return exchange.answer.result()
        finally:
            route.reception.release(exchange)

    def _not_found(self, path: str) -> Response:
        if self.loading:  # a Python service is still being imported: nobody knows its paths
            body = simple_error(("server",), "The service is still loading", "not_ready")
            return Response(503, body, [JSON_TYPE, (b"retry-after", b"1")])
        known = [*self.predict, *self.gets]
        near = get_close_matches(path, known, 1)
        hints = [f"did you mean {quote(near[0])}?"] if near else []
        served = ", ".join(name[len(MODELS) :] for name in list(self.gets) if name.startswith(MODELS))
        if path == PREDICT and served:  # there is one where one model is served alone
            hints = [f"say which model: POST {MODELS}{{name}}/predict;"]
        if path.startswith(MODELS) or path == PREDICT:
            hints.append(f"the models here are: {served[:MAX_SERVED]}" if served else "no model is here yet")
        hint = " ".join(hints) or "GET /models lists what is served, /docs documents it"
        return Response(404, simple_error(("path",), "Nothing is served at this path", "not_found", hint))


def _local_path(scope: Scope) -> str:
    """The path below the prefix that the app is mounted at."""
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    return (path[len(root) :] or "/") if root and path.startswith(root + "/") else path


async def _read_body(
    receive: Receive, limit: int, announced: bytes | None, hold: Callable[[int], Refusal | None]
) -> bytes:
    """The whole body. What does not come at once is counted: as long as it is to be, or as it has become."""
    length = int(announced[:20]) if announced is not None and announced.isdigit() else 0
    if length > limit:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        refusal = hold(max(size, length))
        if refusal is not None:
            raise NoRoom(refusal)


async def _send_response(response: Response, request_id: bytes, method: str, send: Send) -> None:
    headers = [*response.headers, (b"request-id", request_id)]
    if response.status != 304:  # which would have to tell the length of what it does not send
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


async def _run_lifespan(receive: Receive, send: Send, beside: Beside | None) -> None:
    while True:
        message = await receive()
        try:
            if beside is not None:
                await (beside.startup() if message["type"] == "lifespan.startup" else beside.shutdown())
        except Exception as error:
            log.exception("%s of the routes failed", message["type"])
            return await send({"type": message["type"] + ".failed", "message": str(error)})
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return None


async def _answer_or_leave(exchange: AsgiExchange, receive: Receive) -> Response | AsgiStream:
    """Wait for the answer; a caller that leaves takes its call out of the queue."""
    leaving: asyncio.Future[Any] = asyncio.ensure_future(_disconnected(receive))
    waiting: set[asyncio.Future[Any]] = {leaving, exchange.answer}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    if exchange.answer.done():
        return exchange.answer.result()
    exchange.answer.cancel()
    if exchange.on_disconnect is not None:
        exchange.on_disconnect()
    raise Disconnected


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _not_allowed(allow: str, hint: str) -> Response:
    body = simple_error(("method",), f"This path answers {allow} only", "method_not_allowed", hint)
    return Response(405, body, [JSON_TYPE, (b"allow", allow.encode())])


def _too_large(limit: int) -> Response:
    hint = "send fewer records at once, or raise --max-body"
    body = simple_error(("body",), f"The body is larger than {limit:,} bytes", "body_too_large", hint)
    return Response(413, body, [JSON_TYPE, (b"connection", b"close")])

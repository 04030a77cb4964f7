"""A WSGI application (PEP 3333) served as an ASGI one, its code in a bounded lane of threads."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

from modelport.mount.body import BodyStream, read_ahead
from modelport.mount.call import Message, Receive, Scope, Send
from modelport.mount.crossing import Crossing
from modelport.mount.environ import BLOCK_BYTES, make_environ
from modelport.mount.threads import ThreadLane

log = logging.getLogger("modelport.web")

WsgiCallable = Callable[[dict[str, Any], Callable[..., Any]], Any]
UNSENT_BYTES = 256 * 1024
"""Of an answer that a slow reader has not taken; beyond it the application waits."""
LISTEN_AFTER_SECONDS = 0.05
"""Most answers are there by then, and need nobody who listens for the client's leaving."""
HOP_BY_HOP = frozenset({"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"})
"""The server's own affair (RFC 9110 7.6.1); an application may not set them."""


class ClientGone(Exception):
    """Nobody waits for the answer any more: the application is told where it hands over its next part."""


class WsgiApp:
    """`await app(scope, receive, send)` for an application that is called with (environ, start_response)."""

    def __init__(self, app: WsgiCallable, threads: ThreadLane, busy: Sequence[Message]) -> None:
        self.app = app
        self._threads = threads
        self._busy = busy  # what is sent where too many wait
        self._crossing: Crossing | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. WSGI knows no WebSockets and no lifespan."""
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1000})
        if scope["type"] != "http":
            return None
        if self._crossing is None:
            self._crossing = Crossing(asyncio.get_running_loop())
        first, more, gone = await read_ahead(receive)
        if gone:
            return None
        body = BodyStream(asyncio.get_running_loop(), first) if more else None
        response = Response(
            self.app, scope, io.BufferedReader(body, BLOCK_BYTES) if body else io.BytesIO(first), self._crossing
        )
        if not self._threads.submit(partial(copy_context().run, response.run)):
            for message in self._busy:
                await send(message)
            return None
        return await _relay(response, body, receive, send)


async def _relay(response: Response, body: BodyStream | None, receive: Receive, send: Send) -> None:
    """Send what the application's thread hands over, and tell it when the client is gone."""
    loop = asyncio.get_running_loop()
    listening: list[asyncio.Task[None]] = []

    def listen() -> None:
        listening.append(loop.create_task(_listen(response, body, receive)))

    timer = loop.call_later(0.0 if body is not None else LISTEN_AFTER_SECONDS, listen)
    try:
        while (messages := await response.next_messages()) is not None:
            for message in messages:
                await send(message)
            response.sent(messages)
    finally:
        timer.cancel()
        for task in listening:
            task.cancel()
        response.leave()
        if body is not None:
            body.cut()
    if response.error is not None:
        raise response.error


async def _listen(response: Response, body: BodyStream | None, receive: Receive) -> None:
    if body is not None:
        await body.fill(receive)
    while (await receive())["type"] != "http.disconnect":
        pass
    response.leave()


class Response:
    """One call of the application. `run`, `start_response` and `write` are in its thread, the rest on the loop."""

    def __init__(self, app: WsgiCallable, scope: Scope, body: io.BufferedIOBase, crossing: Crossing) -> None:
        self._app = app
        self._environ = make_environ(scope, body)
        self._crossing = crossing
        self._context = contextvars.copy_context()
        self._is_head = scope["method"] == "HEAD"
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_sent = False
        self._bodiless = False
        self._left: int | None = None  # bytes of the announced length that are still due
        self._condition = threading.Condition()
        self._unsent = 0
        self._gone = False
        self._messages: list[Message] = []
        self._ended = False
        self._arrived: asyncio.Future[None] | None = None
        self.error: BaseException | None = None

    # -- on the loop ---------------------------------------------------------------------------------------------

    async def next_messages(self) -> list[Message] | None:
        """What the thread has handed over since; None when it is done."""
        while not self._messages and not self._ended:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
            self._arrived = None
        messages, self._messages = self._messages, []
        return messages or None

    def _take(self, messages: list[Message]) -> None:
        self._messages += messages
        self._wake()

    def _end(self, error: BaseException | None) -> None:
        self.error, self._ended = error, True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def sent(self, messages: list[Message]) -> None:
        """The connection took these."""
        with self._condition:
            self._unsent -= _size(messages)
            self._condition.notify()

    def leave(self) -> None:
        """Nobody waits any more."""
        with self._condition:
            self._gone = True
            self._condition.notify()

    # -- in the thread -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Call the application, in the context of its request, and hand over what it answers."""
        error: BaseException | None = None
        try:
            if not self._gone:  # while it waited for a thread
                self._context.run(self._respond)
        except ClientGone:
            pass
        except BaseException as raised:  # a thread of the lane must survive what an application does
            error = raised
        self._crossing.post(self._end, error)

    def _respond(self) -> None:
        chunks = self._app(self._environ, self.start_response)
        try:
            self._note_only_chunk(chunks)
            for chunk in chunks:
                if chunk:
                    self.write(chunk)
            self._finish()
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _note_only_chunk(self, chunks: Any) -> None:
        """The length of an answer in one piece is known, if its application has not said it."""
        with suppress(TypeError, AttributeError):
            only = len(chunks) == 1 and self._status and not self._head_sent and self._left is None
            if only and isinstance(chunks, (list, tuple)) and not self._bodiless:
                self._left = len(chunks[0])
                self._headers.append((b"content-length", b"%d" % self._left))

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Note status and headers; they are sent with the first part of the body. Raises what `exc_info` holds where they were."""
        if exc_info is not None:
            try:
                if self._head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a cycle, else
        elif self._status:
            raise AssertionError("start_response was called a second time, without exc_info")
        code = _status_code(status)
        encoded = [(_latin(name).lower(), _latin(value)) for name, value in headers if name.lower() not in HOP_BY_HOP]
        self._bodiless = code in (204, 304) or code < 200
        lengths = [value for name, value in encoded if name == b"content-length"]
        self._left = int(lengths[0]) if lengths and not self._bodiless else None
        self._headers = [header for header in encoded if header[0] != b"content-length" or not self._bodiless]
        self._status = code
        return self.write

    def write(self, data: bytes) -> None:
        """Hand over a part of the body; waits where the reader is slow. Raises ClientGone where there is none any more."""
        if not isinstance(data, bytes):
            raise TypeError(f"a WSGI application gives bytes, not {type(data).__name__}")
        if not self._status:
            raise AssertionError("the application wrote before it called start_response")
        messages = [] if self._head_sent else [self._head()]
        self._head_sent = True
        if not self._is_head and not self._bodiless:
            if self._left is not None:
                if len(data) > self._left:
                    raise ValueError("the application gave more bytes than its Content-Length says")
                self._left -= len(data)
            messages.append({"type": "http.response.body", "body": data, "more_body": self._left != 0})
        self._hand_over(messages)

    def _finish(self) -> None:
        if not self._status:
            raise AssertionError("the application answered without calling start_response")
        messages = [] if self._head_sent else [self._head()]
        whole = self._left == 0 and self._head_sent and not self._is_head
        self._head_sent = True
        if self._left and not self._is_head:
            self._hand_over(messages)
            raise ValueError(f"the application gave {self._left:,} bytes less than its Content-Length says")
        if not whole:
            messages.append({"type": "http.response.body", "body": b"", "more_body": False})
            self._hand_over(messages)

    def _head(self) -> Message:
        return {"type": "http.response.start", "status": self._status, "headers": self._headers}

    def _hand_over(self, messages: list[Message]) -> None:
        with self._condition:
            if self._gone and self._left != 0:
                raise ClientGone
            self._unsent += _size(messages)
        self._crossing.post(self._take, messages)
        with self._condition:
            while self._unsent > UNSENT_BYTES and not self._gone:
                self._condition.wait()


def _size(messages: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in messages)


def _status_code(status: str) -> int:
    if not isinstance(status, str) or not status[:3].isdigit() or not 100 <= int(status[:3]) <= 599 or len(status) < 4:
        raise ValueError(f"a WSGI status is a text such as '200 OK', not {status!r:.60}")
    return int(status[:3])


def _latin(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"a WSGI header is made of two texts, not of {type(text).__name__}")
    if "\r" in text or "\n" in text:
        raise ValueError(f"a header may hold no line break: {text!r:.60}")
    return text.encode("latin-1")

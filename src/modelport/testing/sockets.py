"""WebSockets of a service in this process: of its routes, and of models that stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from modelport.assembly.embedded import Embedded
from modelport.runtime.loop_thread import LoopThread

ANSWER_S = 60.0
LEAVE_S = 5.0
"""What the service may do when its client has left, before it is cancelled."""
REFUSED = 1006
"""What a client sees of a connection that was never accepted."""


class WebSocketClosed(Exception):
    """The service has closed the connection, or has not accepted it. `code` and `reason` are as it gave them."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the service closed the connection with code {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class Connection:
    """The client's end, on the loop of the service."""

    def __init__(self, app: Callable[..., Awaitable[None]], path: str, headers: Mapping[str, str]) -> None:
        self._in: asyncio.Queue[Any] = asyncio.Queue()
        self._out: asyncio.Queue[Any] = asyncio.Queue(16)
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._serve(app, _scope(path, headers)))
        self._closed: WebSocketClosed | None = None

    async def _serve(self, app: Callable[..., Awaitable[None]], scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._in.get, self._out.put)
        finally:
            await self._out.put({"type": "websocket.close", "code": REFUSED})

    async def accept(self) -> None:
        """Wait until the service has accepted. Raises WebSocketClosed."""
        await self._next("websocket.accept")

    async def send(self, data: str | bytes) -> None:
        """One message."""
        if self._closed is not None:
            raise self._closed
        key = "text" if isinstance(data, str) else "bytes"
        await self._in.put({"type": "websocket.receive", key: data})

    async def receive(self) -> str | bytes:
        """The next message. Raises WebSocketClosed where there is none any more."""
        message = await self._next("websocket.send")
        data: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
        return data

    async def _next(self, wanted: str) -> Any:
        if self._closed is not None:
            raise self._closed
        message = await asyncio.wait_for(self._out.get(), ANSWER_S)
        if message["type"] != wanted:
            self._closed = WebSocketClosed(message.get("code", REFUSED), message.get("reason") or "")
            raise self._closed
        return message

    async def leave(self) -> None:
        """Close the client's end. What the service still sends is nobody's."""
        await self._in.put({"type": "websocket.disconnect", "code": 1000})
        draining = asyncio.ensure_future(self._drain())
        await asyncio.wait({self._task}, timeout=LEAVE_S)
        draining.cancel()
        self._task.cancel()
        await asyncio.wait({self._task, draining})
        if not self._task.cancelled():
            self._task.exception()  # the log has it

    async def _drain(self) -> None:
        while True:
            await self._out.get()


def _scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(path)
    sent = {"host": "localhost", **headers}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 50000),
        "subprotocols": [],
    }


class WebSocket:
    """`with websocket(api, "/path") as socket:` A test sends and receives; what it sends is a text, bytes, or JSON."""

    def __init__(self, thread: LoopThread, embedded: Embedded, path: str, headers: Mapping[str, str]) -> None:
        self._thread = thread
        self._embedded = embedded
        self._path = path
        self._headers = headers

    def __enter__(self) -> Self:
        self._connection = self._thread.run(self._connect())
        return self

    async def _connect(self) -> Connection:
        connection = Connection(self._embedded.asgi, self._path, self._headers)
        try:
            await connection.accept()
        except BaseException:
            await connection.leave()
            raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(self._connection.leave())

    def send(self, data: str | bytes) -> None:
        """One message. Raises WebSocketClosed."""
        self._thread.run(self._connection.send(data))

    def receive(self) -> str | bytes:
        """The next message. Raises WebSocketClosed, and TimeoutError after 60 s."""
        return self._thread.run(self._connection.receive())

    def send_json(self, value: Any) -> None:
        """One message, as JSON."""
        self.send(json.dumps(value))

    def receive_json(self) -> Any:
        """The next message, read as JSON."""
        return json.loads(self.receive())


def websocket(api: Any, path: str, headers: Mapping[str, str] | None = None) -> WebSocket:
    """A WebSocket of the service behind a client that `client` has given. Raises WebSocketClosed where it is not accepted."""
    transport = api._transport
    return WebSocket(transport.thread, transport.embedded, path, headers or {})

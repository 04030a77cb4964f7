"""An ASGI application in a process of its own: its scopes and messages cross a stream socket, one connection for each request.

What it does to its interpreter, or to its process, is felt by nobody else. The near half is an application like any other.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from modelport.mount.call import App, Message, Receive, Scope, Send

log = logging.getLogger("modelport.web")

HEAD = struct.Struct("!I")
HELLO, END = {"type": "hello"}, "end"
CROSSING = frozenset(
    {
        *(
            "type",
            "asgi",
            "http_version",
            "method",
            "scheme",
            "path",
            "raw_path",
            "query_string",
            "root_path",
            "headers",
        ),
        *("client", "server", "subprotocols", "extensions"),
    }
)
"""Of a scope. The rest, such as the state that a lifespan has left, belongs to a process."""
PAUSE_SECONDS = 0.02
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class AppFailed(Exception):
    """The application raised; the log of its process says what."""


class Stream:
    """Values in both directions. Reading may be cancelled, and begun again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import msgspec

        self._encode, self._decode = msgspec.msgpack.encode, msgspec.msgpack.decode
        self._reader = reader
        self._writer = writer
        self._size: int | None = None
        self._turn = asyncio.Lock()

    async def read(self) -> Any:
        """The next value; None where the other end is gone."""
        async with self._turn:
            try:
                if self._size is None:
                    self._size = HEAD.unpack(await self._reader.readexactly(HEAD.size))[0]
                data = await self._reader.readexactly(self._size)
            except (asyncio.IncompleteReadError, OSError):
                return None
            self._size = None
            return self._decode(data)

    async def write(self, value: Any) -> None:
        """Send a value; waits where the other end is slow. To one that is gone nothing is sent."""
        if self._writer.is_closing():
            return
        data = self._encode(value)
        with suppress(OSError):
            self._writer.writelines((HEAD.pack(len(data)), data))
            await self._writer.drain()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class RemoteApp:
    """The near half. `unreachable` and `lost` are the answers where the process is not there, or ended under a request."""

    def __init__(
        self, connect: Connect, unreachable: Sequence[Message], lost: Sequence[Message], patience_s: float
    ) -> None:
        self._connect = connect
        self._unreachable = unreachable
        self._lost = lost
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket; its lifespan is run where the application is."""
        if scope["type"] == "lifespan":
            return None
        stream = await self._reach(self._patience_s)
        if stream is None:
            return await _refuse(scope, receive, send, self._unreachable)
        feeding = asyncio.ensure_future(_feed(stream, scope, receive))
        try:
            if not await _relay(stream, send) and not feeding.done():  # where that is done, it was the client who left
                await self._tell_lost(scope, send)
        finally:
            feeding.cancel()
            stream.close()

    async def startup(self) -> None:
        """Wait until the process serves: nobody is ready before. Its supervisor ends the start where it cannot."""
        while (stream := await self._reach(self._patience_s)) is None:
            continue
        stream.close()

    async def shutdown(self) -> None:
        """That is the process's own affair."""

    async def _reach(self, patience_s: float) -> Stream | None:
        """A connection to the process that serves now, or to the next one; None where there is none for long."""
        end = monotonic() + patience_s
        while (left := end - monotonic()) > 0:
            with suppress(OSError, TimeoutError):
                stream = Stream(*await self._connect())
                if await asyncio.wait_for(stream.read(), left) is not None:
                    return stream
                stream.close()
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _tell_lost(self, scope: Scope, send: Send) -> None:
        """Where its answer had begun, this breaks it off, as it must: the caller can tell that it is not whole."""
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1012, "reason": "the application was restarted"})
        log.error("%s %s: the process of the application ended under this request", scope["method"], scope["path"])
        try:
            for message in self._lost:
                await send(message)
        except RuntimeError:
            raise AppFailed("its process ended before the answer was whole") from None
        return None


async def _refuse(scope: Scope, receive: Receive, send: Send, messages: Sequence[Message]) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1013})
        return
    for message in messages:
        await send(message)


async def _feed(stream: Stream, scope: Scope, receive: Receive) -> None:
    """Hand on what the client sends; when it is gone, hang up: the application learns of it by that."""
    await stream.write({name: value for name, value in scope.items() if name in CROSSING})
    while True:
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            await stream.write(message)
            return stream.close()
        await stream.write(message)


async def _relay(stream: Stream, send: Send) -> bool:
    """Hand on what the application answers. False where its process was gone before it was done."""
    while (message := await stream.read()) is not None:
        if message["type"] != END:
            await send(_as_asgi(message))
        elif message["failed"]:
            raise AppFailed("the application failed; the log of its process says why")
        else:
            return True
    return False


def _as_asgi(message: Any) -> Any:
    """Headers are pairs."""
    if "headers" in message:
        message["headers"] = [tuple(pair) for pair in message["headers"]]
    return message


class AppHost:
    """The far half: serves one application to the workers that connect."""

    def __init__(self, app: App, enter: Callable[[Scope], None], is_stranger: Callable[[Any], bool]) -> None:
        self._app = app
        self._enter = enter  # called with each scope before the application
        self._is_stranger = is_stranger
        self._calls: set[asyncio.Task[Any]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def listen(self, listener: Any) -> None:
        """Serve from now on."""
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)

    async def drain(self, seconds: float) -> None:
        """Take nothing new; finish what is here, for so long."""
        if self._server is not None:
            self._server.close()
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_stranger(writer.get_extra_info("socket")):
            return writer.close()
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        stream = Stream(reader, writer)
        try:
            await stream.write(HELLO)
            scope = await stream.read()
            if scope is not None:
                await self._serve(_scope_of(scope), stream)
        finally:
            stream.close()

    async def _serve(self, scope: Scope, stream: Stream) -> None:
        gone = {"type": f"{scope['type']}.disconnect", **({"code": 1006} if scope["type"] == "websocket" else {})}

        async def receive() -> Message:
            message = await stream.read()
            return gone if message is None else message

        self._enter(scope)
        failed = False
        try:
            await self._app(scope, receive, stream.write)
        except asyncio.CancelledError:
            raise
        except BaseException:  # sys.exit() in a route ends the request, not the process
            log.exception("%s failed", " ".join((scope.get("method", "WebSocket"), scope["path"])))
            failed = True
        await stream.write({"type": END, "failed": failed})


def _scope_of(crossed: Any) -> Scope:
    """As applications know it: pairs are tuples."""
    scope: Scope = _as_asgi(crossed)
    for name in ("client", "server"):
        scope[name] = tuple(scope[name]) if scope.get(name) is not None else None
    return scope

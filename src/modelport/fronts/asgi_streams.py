"""Streamed answers under any ASGI server: as the parts of an HTTP response, or as the messages of a WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from modelport.fronts.exchange import Headers, Writer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

UNSENT_BYTES = 64 * 1024
"""What may wait for the server to take it."""


class AsgiStream:
    """An answer that comes in parts, between who writes them and the task that sends them. Both are on one loop.

    `on_taken`: told of the size of every part that the server has taken.
    """

    def __init__(self, headers: Headers, writer: Writer, on_taken: Callable[[int], None] | None = None) -> None:
        self.headers = headers
        self.status = 200
        self._writer = writer
        self._parts: deque[bytes] = deque()
        self._unsent = 0
        self._over = False
        self._changed = asyncio.Event()
        self._on_taken = on_taken or self._taken

    def write(self, part: bytes) -> bool:
        """A part. Whether more is taken at once."""
        self._parts.append(part)
        self._unsent += len(part)
        self._changed.set()
        return self._unsent < UNSENT_BYTES

    def finish(self, last: bytes, status: int) -> None:
        """The last part, and how it ended."""
        if last:
            self._parts.append(last)
        self._over, self.status = True, status
        self._changed.set()

    def _taken(self, size: int) -> None:
        """The writer is told when half of what may wait is free again, so that it need not be told of every part."""
        before, self._unsent = self._unsent, self._unsent - size
        if before >= UNSENT_BYTES // 2 > self._unsent:
            self._writer.resume()

    async def pump(self, put: Callable[[bytes], Awaitable[None]], gone: asyncio.Future[Any]) -> bool:
        """Send every part as it comes. False where the client left before the end; whoever writes is told."""
        try:
            while True:
                while self._parts and not gone.done():
                    part = self._parts.popleft()
                    await put(part)
                    self._on_taken(len(part))
                if self._over and not self._parts:
                    return True
                if gone.done():
                    return False
                self._changed.clear()
                await _either(self._changed, gone)
        except OSError:  # some servers say so that the client is gone
            return False
        finally:
            gone.cancel()
            if not self._over:
                self._writer.leave()


async def _either(changed: asyncio.Event, gone: asyncio.Future[Any]) -> None:
    """Wait for whichever is first."""
    change = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({change, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()


async def send_stream(stream: AsgiStream, request_id: bytes, receive: Receive, send: Send) -> None:
    """As an HTTP response. The server frames it."""
    headers = [*stream.headers, (b"request-id", request_id)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def put(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    if await stream.pump(put, asyncio.ensure_future(until(receive, "http.disconnect"))):
        await send({"type": "http.response.body", "body": b""})


async def until(receive: Receive, kind: str) -> None:
    """Wait for a message of that kind."""
    while (await receive())["type"] != kind:
        pass

"""The body of a request as a WSGI application reads it: blocking, in its thread, while a loop reads the connection."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

from modelport.mount.call import Receive

AHEAD_BYTES = 256 * 1024
"""Read before a thread is taken, and kept ahead of what the application has read: a slow upload holds up no thread."""


class BodyStream(io.RawIOBase):
    """Filled by the loop, emptied by the application's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, first: bytes) -> None:
        self._loop = loop
        self._parts = bytearray(first)
        self._condition = threading.Condition()
        self._ended = False
        self._cut = False
        self._room = asyncio.Event()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for something, take what fits. Raises OSError where the client left before the body was whole."""
        with self._condition:
            while not self._parts and not self._ended:
                self._condition.wait()
            if not self._parts and self._cut:
                raise ConnectionResetError("the client left before its body was whole")
            count = min(len(buffer), len(self._parts))
            buffer[:count] = self._parts[:count]
            was_full = len(self._parts) >= AHEAD_BYTES
            del self._parts[:count]
        if was_full and len(self._parts) < AHEAD_BYTES:
            self._loop.call_soon_threadsafe(self._room.set)
        return count

    async def fill(self, receive: Receive) -> None:
        """Read the rest of the body from the connection, as the application makes room for it."""
        more = True
        while more:
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            with self._condition:
                self._parts += message.get("body", b"")
                self._cut = message["type"] == "http.disconnect"
                self._ended = not more
                self._condition.notify()
            while more and len(self._parts) >= AHEAD_BYTES:
                self._room.clear()
                if len(self._parts) >= AHEAD_BYTES:
                    await self._room.wait()

    def cut(self) -> None:
        """Nobody fills it any more."""
        with self._condition:
            self._cut, self._ended = not self._ended, True
            self._condition.notify()


async def read_ahead(receive: Receive) -> tuple[bytes, bool, bool]:
    """The body or its beginning; whether there is more, and whether the client is gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"", False, True
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
        if not more or size >= AHEAD_BYTES:
            return parts[0] if len(parts) == 1 else b"".join(parts), more, False

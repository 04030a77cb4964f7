"""One request of an ASGI application, asked by a thread that waits: of a WSGI server, or of a test.

The thread itself reads the body, when the application asks for it, and takes the answer part by part. So a slow client, and one
that is slow to send, holds up its own thread and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from modelport.fronts.asgi import Message, Receive, Scope, Send

log = logging.getLogger("modelport.asgi")

UNSENT_BYTES = 256 * 1024
"""Of an answer that its reader has not taken; beyond it the application waits."""
LEAVE_SECONDS = 1.0
"""What an application may do about a client's leaving, before it is cancelled."""

Read = Callable[[], tuple[bytes, bool]]
"""The next part of the body, and whether there is more. Whatever it raises means that the client is gone."""
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class NoAnswer(Exception):
    """The application ended, or failed, before its answer was whole."""


class _More:
    """Asks the thread for the next part of the body."""


class _End:
    """The application has returned, or raised."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ThreadedCall:
    """Made, read (`head`, then `parts`) and closed in the thread that asks; the rest is on the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: App, scope: Scope, read: Read, wait_s: float | None = None
    ) -> None:
        self._loop = loop
        self._app = app
        self._scope = scope
        self._read = read
        self._wait_s = wait_s
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._parts: deque[Message] = deque()  # of the body, that the thread has read
        self._body_told = False
        self._asked = False
        self._complete = False
        self._gone = False
        self._unsent = 0
        self._changed: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._begin)

    # -- in the thread that asks ---------------------------------------------------------------------------------

    def head(self) -> Message:
        """Status and headers. Raises NoAnswer, or TimeoutError."""
        return self._next_message()

    def parts(self) -> Iterator[tuple[bytes, bool]]:
        """The body, and whether there is more. Raises NoAnswer where it breaks off."""
        while True:
            message = self._next_message()
            body, more = message.get("body", b""), message.get("more_body", False)
            yield body, more
            if not more:
                return
            self._tell(self._take, len(body))

    def close(self) -> None:
        """Nobody reads any further. An application that is still at it is told, and then cancelled."""
        self._tell(self._leave)

    def _next_message(self) -> Message:
        while True:
            try:
                item = self._items.get(timeout=self._wait_s)
            except Empty:
                self.close()
                raise TimeoutError from None
            if isinstance(item, _More):
                self._tell(self._feed, self._read_part())
            elif isinstance(item, _End):
                raise NoAnswer("the application ended without an answer") from item.error
            else:
                message: Message = item
                return message

    def _read_part(self) -> Message | None:
        try:
            body, more = self._read()
        except Exception:  # servers raise what they like for a client that has left
            return None
        return {"type": "http.request", "body": body, "more_body": more}

    def _tell(self, function: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
            self._loop.call_soon_threadsafe(function, *args)

    # -- on the loop ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._changed = asyncio.Event()
        self._task = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        error: BaseException | None = None
        try:
            await self._app(self._scope, self._receive, self._send)
        except BaseException as raised:
            error = raised
            if not self._gone and not isinstance(raised, asyncio.CancelledError):
                log.error("%s %s failed", self._scope["method"], self._scope["path"], exc_info=raised)
        self._items.put(_End(error))

    def _feed(self, message: Message | None) -> None:
        self._asked = False
        if message is None:
            self._gone = True
        else:
            self._parts.append(message)
        self._change()

    def _take(self, size: int) -> None:
        self._unsent -= size
        self._change()

    def _leave(self) -> None:
        self._gone = True
        self._change()
        if self._task is not None and not self._complete and not self._task.done():
            self._loop.call_later(LEAVE_SECONDS, self._task.cancel)

    def _change(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _wait(self) -> None:
        assert self._changed is not None
        self._changed.clear()
        await self._changed.wait()

    async def _receive(self) -> Message:
        if not (self._parts or self._asked or self._body_told or self._gone):
            self._asked = True
            self._items.put(_More())
        while True:
            if self._parts:
                message = self._parts.popleft()
                self._body_told = not message["more_body"]
                return message
            if self._gone or self._complete:
                return {"type": "http.disconnect"}
            await self._wait()

    async def _send(self, message: Message) -> None:
        if self._gone:
            await asyncio.sleep(0)  # what goes on sending must still be cancelled
            return
        self._items.put(message)
        if message["type"] != "http.response.body":
            return
        if not message.get("more_body", False):
            self._complete = True
            self._change()
            return
        self._unsent += len(message.get("body", b""))
        while self._unsent > UNSENT_BYTES and not self._gone:
            await self._wait()

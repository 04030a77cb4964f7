"""One request as the web lane sees it: the `receive` and `send` of an ASGI application, in the lane's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from modelport.mount.crossing import Crossing

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UNSENT_BYTES = 256 * 1024
"""Of a streamed answer that may wait for a slow reader, before the application waits, too."""


class Exchange(Protocol):
    """The other half of a request, in the thread that owns the connection."""

    def deliver(self, message: Message) -> None:
        """The application sent this."""

    def ended(self, failed: bool) -> None:
        """The application returned, or raised."""

    def continue_body(self, size: int) -> None:
        """The application has taken this much of the body, and wants more."""


class Call:
    """Between an application and an exchange. All but the constructor runs in the lane's thread."""

    __slots__ = (
        "_body",
        "_changed",
        "_end_told",
        "_exchange",
        "_more",
        "_out",
        "_started",
        "_unsent",
        "complete",
        "gone",
    )

    def __init__(self, exchange: Exchange, out: Crossing, body: bytes, more: bool) -> None:
        self._exchange = exchange
        self._out = out
        self._body = [body]
        self._more = more  # the client has more to send
        self._end_told = False
        self._changed: asyncio.Event | None = None  # most calls never wait
        self._unsent = 0
        self._started = False
        self.complete = False
        self.gone = False

    # -- from the connection -------------------------------------------------------------------------------------

    def feed(self, part: tuple[bytes, bool]) -> None:
        """More of the body came, and whether there is more still."""
        self._body.append(part[0])
        self._more = part[1]
        self._change()

    def leave(self, _: Any = None) -> None:
        """The client is gone."""
        self.gone = True
        self._change()

    def acknowledge(self, size: int) -> None:
        """This much of the answer was taken by the connection."""
        self._unsent -= size
        self._change()

    def _change(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _wait(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    # -- for the application -------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """The body, in parts as they came; then, when that is so, that the client is gone or the answer whole."""
        while True:
            if self.gone or self.complete:
                return {"type": "http.disconnect"}
            if not self._end_told and (self._body or not self._more):
                return self._take_body()
            if self._more:
                self._out.post(self._exchange.continue_body, 0)  # somebody may wait to be told to send
            await self._wait()

    def _take_body(self) -> Message:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._end_told = not self._more
        if self._more:
            self._out.post(self._exchange.continue_body, len(body))
        return {"type": "http.request", "body": body, "more_body": self._more}

    async def send(self, message: Message) -> None:
        """Hand it to the connection. Raises RuntimeError for what is out of order; waits while a slow reader is behind."""
        if self.gone:
            return
        wanted = "http.response.body" if self._started else "http.response.start"
        if self.complete or message["type"] != wanted:
            state = "the answer is complete" if self.complete else f"{wanted} is due"
            raise RuntimeError(f"the application sent {message['type']}, but {state}")
        self._started = True
        self._out.post(self._exchange.deliver, message)
        if wanted == "http.response.body":
            if not message.get("more_body", False):
                self.complete = True
                self._change()
                return
            self._unsent += len(message.get("body", b""))
            while self._unsent > UNSENT_BYTES and not self.gone:
                await self._wait()

"""A light HTTP client for scenarios: raw sockets on asyncio, one request at a time per connection, nothing retried.

wrk counts; this one reads every answer, so that a wrong one, a late one or one for somebody else is seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ANSWER_LIMIT_S = 60.0


class Lost(Exception):
    """No whole answer came: the connection was refused, reset or ended, or nothing was heard for too long."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = bytearray()
        self._waiter: asyncio.Future[tuple[int, dict[str, str], bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        self._buffer += data
        if self._waiter is not None and not self._waiter.done():
            answer = _read_answer(self._buffer)
            if answer is not None:
                self._waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self.ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Lost(f"connection ended: {exc or 'end of file'}"))

    def eof_received(self) -> bool:
        """The server said that it sends no more."""
        self.ended = True
        return False

    async def ask(self, request: bytes, limit_s: float) -> Reply:
        """Send a request and wait for its answer."""
        assert self._transport is not None
        started = time.perf_counter()
        self._buffer.clear()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(request)
            status, headers, body = await asyncio.wait_for(self._waiter, limit_s)
        except RuntimeError as error:  # uvloop, where the connection has just broken
            self.end()
            raise Lost(f"connection ended: {error}") from None
        except TimeoutError:
            self.end()
            raise Lost(f"no answer within {limit_s:g} s") from None
        except asyncio.CancelledError:
            self.end()
            raise
        if headers.get("connection", "").lower() == "close":
            self.end()
        return Reply(status, headers, body, time.perf_counter() - started)

    def end(self) -> None:
        """Hang up."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()


def _read_answer(buffer: bytearray) -> tuple[int, dict[str, str], bytes] | None:
    """A whole answer with a content length, or None while it is on its way."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    body = bytes(buffer[end + 4 : end + 4 + length])
    return (int(first.split()[1]), headers, body) if len(body) == length else None


class Caller:
    """One client: keeps its connection where the server does, and opens another where it does not."""

    def __init__(self, port: int, *, keep_alive: bool = True, limit_s: float = ANSWER_LIMIT_S) -> None:
        self.port = port
        self.keep_alive = keep_alive
        self.limit_s = limit_s
        self._line: Line | None = None

    async def post(self, path: str, body: bytes, headers: str = "") -> Reply:
        """POST a JSON body. Raises Lost."""
        head = f"POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return await self._ask(head + headers, body)

    async def get(self, path: str) -> Reply:
        """GET a page. Raises Lost."""
        return await self._ask(f"GET {path} HTTP/1.1\r\n", b"")

    async def _ask(self, head: str, body: bytes) -> Reply:
        close = "" if self.keep_alive else "connection: close\r\n"
        line = await self._connected()
        try:
            return await line.ask(f"{head}host: 127.0.0.1:{self.port}\r\n{close}\r\n".encode() + body, self.limit_s)
        finally:
            if not self.keep_alive or line.ended:
                self.end()

    async def _connected(self) -> Line:
        if self._line is not None and not self._line.ended:
            return self._line
        connecting = asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.port)
        try:
            _, line = await asyncio.wait_for(connecting, self.limit_s)
        except (OSError, TimeoutError) as error:
            raise Lost(f"cannot connect: {error or 'no answer'}") from None
        self._line = line
        return line

    def end(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.end()
            self._line = None


async def closed_loop(clients: int, seconds: float, client: Callable[[int], Awaitable[None]]) -> float:
    """Let `clients` ask again as soon as they have their answer; returns the seconds until the last has it."""
    started = time.perf_counter()

    async def repeat(number: int) -> None:
        while time.perf_counter() - started < seconds:
            await client(number)

    await asyncio.gather(*(repeat(number) for number in range(clients)))
    return time.perf_counter() - started


async def open_loop(rate: float, seconds: float, ask: Callable[[int], Awaitable[None]]) -> None:
    """Ask at a fixed rate, whatever the server does, as the public would; returns when all have been answered."""
    started = time.perf_counter()
    asked: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        wait_s = started + number / rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        task = asyncio.ensure_future(_awaited(ask, number))
        asked.add(task)
        task.add_done_callback(asked.discard)
    await asyncio.gather(*asked)


async def _awaited(ask: Callable[[int], Awaitable[None]], number: int) -> None:
    await ask(number)


def percentile(seconds: list[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed; 0 where there is none."""
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def run(main: Awaitable[None]) -> None:
    """Run on the quickest loop there is."""
    import uvloop

    async def body() -> None:
        await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())

"""Streams that code of the service reads: the items of one model, as another one or a route walks through them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

from modelport.assembly.answers import error_of
from modelport.assembly.calls import SPARE_S, CallExchange, Outgoing, ServiceCaller
from modelport.codecs.stream_forms import ITEMS
from modelport.errors import CallError
from modelport.fronts.exchange import Headers, Writer

MOST_UNREAD = 16
"""Items that may wait for the code that reads them; beyond it the other generator pauses, before long."""


class Piece(NamedTuple):
    """An item, with status 0; or the end: 200, or the status and the body of an error."""

    status: int
    body: bytes


Deliver = Callable[[Piece], None]


class StreamedExchange(CallExchange):
    """One such call, as the routes see it. `deliver` may be called from the home loop only."""

    def __init__(self, outgoing: Outgoing, deliver: Deliver) -> None:
        super().__init__(outgoing, lambda status, body, headers: deliver(Piece(status, body)))
        self.accept = ITEMS
        self._deliver = deliver
        self._unread = 0
        self._writer: Writer | None = None

    def open(self, headers: Headers, writer: Writer) -> None:
        """The first item is about to come."""
        self._writer = writer

    def write(self, part: bytes) -> bool:
        """An item."""
        self._unread += 1
        if not self.left:
            self._deliver(Piece(0, part))
        return self._unread < MOST_UNREAD

    def finish(self, last: bytes, status: int) -> None:
        """The end."""
        self.respond(status, last, [])

    def taken(self) -> None:
        """One item was read."""
        self._unread -= 1
        if self._unread == MOST_UNREAD // 2 and self._writer is not None:
            self._writer.resume()


class ItemStream:
    """The items of one call, to be walked through once: `async for` in a coroutine, `for` in a thread."""

    def __init__(self, caller: ServiceCaller, model: str, record: Any, read: Callable[[bytes], Any]) -> None:
        self._caller = caller
        self._model = model
        self._record = record
        self._read_item = read

    def __aiter__(self) -> AsyncIterator[Any]:
        """In whatever event loop. Leaving the loop early stops the model."""
        return self._walk()

    def __iter__(self) -> Iterator[Any]:
        """In a thread that may wait. Leaving the loop early stops the model."""
        if asyncio._get_running_loop() is not None:
            text = f"write  async for item in service[{self._model!r}].stream(…)  in an async def"
            raise CallError(f"{text}: a plain for would stop its event loop")
        return self._walk_in_thread()

    async def _walk(self) -> AsyncIterator[Any]:
        outgoing = self._caller.outgoing(self._model, self._record)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece] = asyncio.Queue()

        def hand_over(piece: Piece) -> None:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        at_home = self._caller.is_home(loop)
        exchange = StreamedExchange(outgoing, pieces.put_nowait if at_home else hand_over)
        self._caller.run_at_home(at_home, self._caller.begin, exchange, outgoing)
        try:
            while not (piece := await pieces.get()).status:
                yield self._read_item(piece.body)
                self._caller.run_at_home(at_home, exchange.taken)
        finally:
            self._caller.run_at_home(at_home, exchange.leave)
        self._check(piece)

    def _walk_in_thread(self) -> Iterator[Any]:
        outgoing = self._caller.outgoing(self._model, self._record)
        pieces: SimpleQueue[Piece] = SimpleQueue()
        exchange = StreamedExchange(outgoing, pieces.put)
        self._caller.run_at_home(False, self._caller.begin, exchange, outgoing)
        patience_s = patience(outgoing)
        try:
            while not (piece := pieces.get(timeout=patience_s)).status:
                yield self._read_item(piece.body)
                self._caller.run_at_home(False, exchange.taken)
        finally:
            self._caller.run_at_home(False, exchange.leave)
        self._check(piece)

    def _check(self, end: Piece) -> None:
        if end.status != 200:
            raise error_of(self._model, end.status, end.body)


def patience(outgoing: Outgoing) -> float:
    """How long a thread waits for each item that the loop owes it, or for word that there is none."""
    return max(0.0, outgoing.context.deadline - monotonic()) + SPARE_S

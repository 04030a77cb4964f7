"""The threads that read large bodies and translate large answers, so that they delay nothing that the loop's own threads do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Generic, TypeVar

from modelport.fronts.reception import RETRY_SECONDS
from modelport.kernel.admission import Refusal

THREADS = 2
"""Reading holds Python's lock most of the time: more of them would only take turns with the loop more often."""

MOST_WAITING = 1000
"""Bodies that may wait for a thread: those of models whose types run code of their own all pass here, however small."""

Read = TypeVar("Read")


class Reading(Generic[Read]):
    """One body to be read, and the room it takes up, which is its own: its caller may leave before a thread lets go of it."""

    __slots__ = ("_future", "_read", "reserved")

    def __init__(self, read: Callable[[], Read], reserved: int) -> None:
        self._read: Callable[[], Read] | None = read
        self._future: Future[Read] | None = None
        self.reserved = reserved

    def begin(self, pool: ThreadPoolExecutor) -> Future[Read]:
        """Have it read when its turn comes."""
        self._future = pool.submit(self._run)
        return self._future

    def drop(self) -> None:
        """Nobody waits for it: what has not begun does not begin, and lets go of the body."""
        if self._future is not None and self._future.cancel():
            self._read = None

    def _run(self) -> Read:
        read, self._read = self._read, None
        assert read is not None
        return read()


class Readers:
    """The threads of this process, started with the first body that needs one."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._threads = threads
        self._most = threads + most_waiting
        self._pool: ThreadPoolExecutor | None = None
        self._open = 0
        self._lock = Lock()

    def refusal(self) -> Refusal | None:
        """Why no body can be taken now, where too many wait."""
        if self._open < self._most:
            return None
        return Refusal(f"{self._most - self._threads:,} bodies wait to be read", RETRY_SECONDS)

    def begin(self, reading: Reading[Read]) -> asyncio.Future[Read]:
        """Read it in a thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "modelport-bodies")
        with self._lock:
            self._open += 1
        future = reading.begin(self._pool)
        future.add_done_callback(self._end)
        return asyncio.wrap_future(future)

    def _end(self, _: Future[Any]) -> None:
        with self._lock:
            self._open -= 1


READERS = Readers()

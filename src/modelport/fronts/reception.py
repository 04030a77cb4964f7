"""Bodies on their way in: read from a socket, or being opened or decoded, and not in any queue yet. They take memory, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from modelport.kernel.admission import Refusal

LARGE_BODY = 64 * 1024
"""Bodies above this are counted while they come in, and decoded in a thread: parsing one costs a millisecond and more.

Smaller ones are counted only where a sweep still finds them incomplete, so that a call in two packets costs nothing more.
"""

RETRY_SECONDS = 1
"""How soon there is room again is up to those who are sending; HTTP knows no smaller unit."""


class Holding(Protocol):
    """A request that may hold a part of the room."""

    reserved: int


class Reception:
    """The room for bodies of one model that are not in its queue yet, over all workers.

    `count` adds to what this process holds; `held` tells what all of them hold, in reception and in the queue. Two workers
    that ask at the same moment may both be let in: the bound can be passed by one body for each worker.
    """

    def __init__(self, count: Callable[[int], None], held: Callable[[], int], limit: float) -> None:
        self._count = count
        self._held = held
        self._limit = limit

    def counted_by(self, post: Callable[[Callable[[int], None], int], None]) -> Reception:
        """The same room, for another thread, which may not count itself but has it done."""
        return Reception(partial(post, self._count), self._held, self._limit)

    def hold(self, request: Holding, size: int) -> Refusal | None:
        """Room for so many bytes of this request, together with what it holds already; a refusal where there is none.

        A body that has all to itself is let in whatever its size, which `max_body` bounds.
        """
        more = size - request.reserved
        if more <= 0:
            return None
        others = self._held() - request.reserved
        if others > 0 and others + size > self._limit:
            return Refusal(f"{others:,} of {self._limit:,} bytes are taken by other bodies", RETRY_SECONDS)
        self._count(more)
        request.reserved += more
        return None

    def release(self, request: Holding) -> None:
        """It is answered, gone, or counted in the queue from now on."""
        if request.reserved:
            self._count(-request.reserved)
            request.reserved = 0

"""Whoever does not take what is written to it: answers must not wait in memory for ever."""

from __future__ import annotations

STALL_SECONDS = 20.0


class WriteStall:
    """Watches the write buffer of one connection. Asked about once a second, and told the time."""

    __slots__ = ("_since", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._since = 0.0

    def is_stuck(self, size: int, now: float) -> bool:
        """Whether the buffer has held the same for long. `size`: of the buffer, now. One that grows is bounded by others."""
        if not size or size != self._size:
            self._size, self._since = size, now
            return False
        return now - self._since > STALL_SECONDS

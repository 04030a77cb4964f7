"""Frames that are written in one turn of the loop share a write: a call of the kernel costs more than a small frame carries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

MOST_TOGETHER = 16
"""Frames that wait for one another at most: the other process is to begin while there is more to come."""
MOST_BYTES = 64 * 1024


class TurnWriter:
    """Writes to one line. The first frame of a turn goes at once, so that a lone call waits for nothing; the others go together."""

    __slots__ = ("_frames", "_in_turn", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._frames: list[bytes] = []
        self._size = 0
        self._in_turn = False

    def write(self, frame: bytes) -> None:
        """Send a frame, behind those before it; none on a line that is closing."""
        if not self._in_turn:
            self._in_turn = True
            self._loop.call_soon(self._end_turn)
            self._send(frame)
        elif len(frame) > MOST_BYTES:  # to join it to others would cost a copy
            self.flush()
            self._send(frame)
        else:
            self._frames.append(frame)
            self._size += len(frame)
            if len(self._frames) >= MOST_TOGETHER or self._size >= MOST_BYTES:
                self.flush()

    def write_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send a frame that comes in parts, which are not copied into one."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.writelines(parts)

    @property
    def backlog(self) -> int:
        """Bytes that the other side has not taken yet."""
        return self._size + self._transport.get_write_buffer_size()

    def flush(self) -> None:
        """Send what waits for the end of the turn."""
        if self._frames:
            frames, self._frames, self._size = self._frames, [], 0
            self._send(b"".join(frames))

    def close(self) -> None:
        """Hang up behind the last frame."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Hang up, whatever is unsent."""
        self._frames.clear()
        self._size = 0
        self._transport.abort()

    def _end_turn(self) -> None:
        self._in_turn = False
        self.flush()

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

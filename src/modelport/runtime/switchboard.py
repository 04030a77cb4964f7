"""The lines to all children at once: what the supervisor waits for, and what it has to say and could not send yet."""

from __future__ import annotations

import selectors
import socket

from modelport.runtime.channel import MAX_LINE_BYTES
from modelport.runtime.children import Child

MAX_BACKLOG_BYTES = 2 * MAX_LINE_BYTES
"""Of a child that does not read what it is told: it is stopped or stuck, and its mail must not grow for ever."""


class Switchboard:
    """Knows which children are listened to."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def wake_on(self, reader: socket.socket) -> None:
        """Wait for this, too; it stands for no child."""
        self._selector.register(reader, selectors.EVENT_READ, None)

    def listen_to(self, child: Child) -> None:
        """Hear what it says."""
        self._selector.register(child.line.socket, selectors.EVENT_READ, child)

    def hears(self, child: Child) -> bool:
        """Whether it is listened to."""
        return child.line.socket.fileno() in self._selector.get_map()

    def forget(self, child: Child) -> None:
        """Hear it no more."""
        if self.hears(child):
            self._selector.unregister(child.line.socket)

    def flush(self) -> list[Child]:
        """Send what the children take now; be woken when the others take more. Those that let too much pile up."""
        stuck = []
        for key in list(self._selector.get_map().values()):
            child: Child | None = key.data
            if child is None:
                continue
            child.line.flush()
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.line.backlog else 0)
            if child.line.backlog > MAX_BACKLOG_BYTES:
                stuck.append(child)
            elif key.events != wanted:
                self._selector.modify(child.line.socket, wanted, child)
        return stuck

    def wait(self, seconds: float) -> list[Child | None]:
        """Until somebody has something to say, or can be told more: whoever it is, and None for what stands for no child."""
        return [key.data for key, _ in self._selector.select(seconds)]

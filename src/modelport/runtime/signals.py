"""Signals of the supervisor, as something that its selector wakes for."""

from __future__ import annotations

import signal
import socket
from typing import Any

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)


class Signals:
    """Catches what the supervisor hears, until it is closed; `reader` can be read when one has come."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self._came: list[int] = []
        for end in (self.reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._previous: dict[int, Any] = {number: signal.signal(number, self._catch) for number in HEARD}

    def _catch(self, number: int, _frame: Any) -> None:
        self._came.append(number)

    def take(self) -> list[int]:
        """Those that have come since, in their order."""
        came, self._came = self._came, []
        return came

    def drain(self) -> None:
        """What woke the selector is heard."""
        self.reader.recv(4096)

    def close(self) -> None:
        """Whoever heard them before hears them again."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        for end in (self.reader, self._writer):
            end.close()

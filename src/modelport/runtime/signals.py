"""Signals of the supervisor, as something that its selector wakes for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)

_hangups: list[int] = []  # that came before anybody was there to obey


@contextmanager
def hangups_noted() -> Iterator[None]:
    """A SIGHUP while the service starts does not end it: the supervisor obeys it when it is there."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda number, _: _hangups.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class Signals:
    """Catches what the supervisor hears, until it is closed; `reader` can be read when one has come."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self._came: list[int] = []  # before those that came early: a handler may be called at any moment
        for end in (self.reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._previous: dict[int, Any] = {number: signal.signal(number, self._catch) for number in HEARD}
        self._came += _hangups
        _hangups.clear()

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

"""Calls from one thread into the event loop of another, many of them for one wake-up."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger("modelport.web")


class Crossing:
    """One direction between two threads. What is posted runs on `loop`, in order.

    To wake a loop costs a system call; while it has not run what was posted before, nobody needs to wake it again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._woken = False

    def post(self, function: Callable[[Any], None], argument: Any = None) -> None:
        """Have `function(argument)` run there. From any thread; what comes after the loop has ended is lost."""
        self._calls.append((function, argument))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._woken = False  # before the calls are taken: what is posted from now on wakes the loop again
        calls = self._calls
        for _ in range(len(calls)):
            function, argument = calls.popleft()
            try:
                function(argument)
            except Exception:  # of one request: the others go on
                log.exception("a message between two threads failed")

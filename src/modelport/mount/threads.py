"""The bounded pool of threads that mounted WSGI applications run in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class ThreadLane:
    """At most so many threads and so many that wait; the next one is refused. Threads are started when they are needed.

    The interpreter's own pool has no bound on what waits, and joins its threads at exit, which a stuck request would hold up.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._most = threads
        self._queue = queue
        self._waiting: deque[Callable[[], None]] = deque()
        self._condition = threading.Condition()
        self._threads = 0
        self._idle = 0

    def submit(self, work: Callable[[], None]) -> bool:
        """Run it soon; false where too much waits already."""
        with self._condition:
            if self._threads - self._idle >= self._most and len(self._waiting) >= self._queue:
                return False
            self._waiting.append(work)
            if self._idle >= len(self._waiting):
                self._condition.notify()
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name=f"modelport-wsgi-{self._threads}", daemon=True).start()
        return True

    def _run(self) -> None:
        while True:
            with self._condition:
                self._idle += 1
                while not self._waiting:
                    self._condition.wait()
                self._idle -= 1
                work = self._waiting.popleft()
            work()

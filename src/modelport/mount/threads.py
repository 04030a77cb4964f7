"""The bounded pool of threads that mounted WSGI applications run in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue


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
        self._running = 0

    def submit(self, work: Callable[[], None]) -> bool:
        """Run it soon; false where too much waits already."""
        with self._condition:
            if self._running + len(self._waiting) >= self._most + self._queue:
                return False  # whether a thread that was woken has come to itself yet makes no difference
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
                self._running += 1
                work = self._waiting.popleft()
            work()
            with self._condition:
                self._running -= 1


class OwnThread:
    """A thread that runs all steps of the requests that were given to it, one after the other."""

    def __init__(self, name: str) -> None:
        self.requests = 0
        self._steps: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, step: Callable[[], None]) -> None:
        """Run it after those that were submitted before. It must not raise."""
        self._steps.put(step)

    def _run(self) -> None:
        while True:
            self._steps.get()()


class OwnThreads:
    """A few threads, and for each request one of them: what it has opened in a thread is closed in that thread.

    Connections of SQLite demand that. No request holds its thread between two steps. Used by one loop alone.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._most = threads
        self._most_steps = threads + queue
        self._threads: list[OwnThread] = []
        self.steps = 0
        """That run or wait."""

    def take(self) -> OwnThread | None:
        """The thread of a new request, to be given back; None where too much waits already."""
        if self.steps >= self._most_steps:
            return None
        least = min(self._threads, key=lambda thread: thread.requests, default=None)
        if least is None or (least.requests and len(self._threads) < self._most):
            least = OwnThread(f"modelport-inside-{len(self._threads) + 1}")
            self._threads.append(least)
        least.requests += 1
        return least

    def give_back(self, thread: OwnThread) -> None:
        """Its request has ended."""
        thread.requests -= 1

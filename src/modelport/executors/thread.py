"""The thread executor: one thread per model, so that one call at a time enters it and the loop stays free for probes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from modelport.kernel.isolate import Run, run_isolated
from modelport.kernel.ports import Done
from modelport.kernel.values import Record

Job = tuple[Sequence[Record], Done]


class ThreadExecutor:
    """A single daemon thread that works batches off in order and reports back on the loop."""

    kind = "thread"

    def __init__(self, run: Run, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._run = run
        self._loop = loop
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"modelport-{name}", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Hand the batch to the thread."""
        self._jobs.put((records, done))

    def close(self) -> None:
        """Let the thread end after what it has."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            records, done = job
            outcomes = run_isolated(self._run, records)
            try:
                self._loop.call_soon_threadsafe(done, outcomes)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

"""The thread executor: threads of the model's own, so that the loop stays free for probes. One, unless the model stands more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from modelport.kernel.isolate import Run, cause_of, run_isolated
from modelport.kernel.ports import Done, Outcome
from modelport.kernel.values import Failure, Record

Job = tuple[Sequence[Record], Done]


class ThreadExecutor:
    """Daemon threads that work batches off in order and report back on the loop."""

    kind = "thread"

    def __init__(self, run: Run, loop: asyncio.AbstractEventLoop, name: str, slots: int = 1) -> None:
        self.slots = slots
        self._run = run
        self._loop = loop
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        for _ in range(slots):
            threading.Thread(target=self._work, name=f"modelport-{name}", daemon=True).start()

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Hand the batch to whichever thread is free first."""
        self._jobs.put((records, done))

    def close(self) -> None:
        """Let every thread end after what it has."""
        for _ in range(self.slots):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            records, done = job
            try:
                self._loop.call_soon_threadsafe(done, self._outcomes(records))
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        """Whatever happens, this thread lives on and every caller is answered."""
        try:
            return run_isolated(self._run, records)
        except BaseException as error:
            failure = Failure("model_failed", "The model failed on this record", cause_of(error))
            return [failure] * len(records)

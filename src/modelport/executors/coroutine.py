"""The coroutine executor: an `async def` on the loop of its process, as many calls at once as it has slots, with no threads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from modelport.kernel.isolate import Abandoned, AsyncRun, checked, failure_of, run_isolated_async
from modelport.kernel.ports import Done, Outcome
from modelport.kernel.values import Record

ABANDONED = failure_of(Abandoned())


class CoroutineExecutor:
    """One task for each batch. A batch that nobody waits for can be cancelled."""

    kind = "coroutine"

    def __init__(self, run: AsyncRun, loop: asyncio.AbstractEventLoop, slots: int) -> None:
        self.slots = slots
        self._run = run
        self._loop = loop
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by the list of records; the loop itself would forget them
        self._cancelled: set[int] = set()

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Start it; it begins when the loop comes round."""
        self._tasks[id(records)] = self._loop.create_task(self._work(records, done))

    def cancel(self, records: Sequence[Record]) -> None:
        """Nobody waits for it: what it awaits raises CancelledError."""
        task = self._tasks.get(id(records))
        if task is not None:
            self._cancelled.add(id(records))
            self._loop.call_soon(
                task.cancel
            )  # behind its first step: a task that is cancelled before it runs nothing at all

    def close(self) -> None:
        """Nothing to release: what runs ends by itself."""

    async def _work(self, records: Sequence[Record], done: Done) -> None:
        """Whatever happens, every caller is answered."""
        key = id(records)
        outcomes: list[Outcome] = [ABANDONED] * len(records)
        try:
            if key not in self._cancelled:
                outcomes = await (
                    self._one(records) if len(records) == 1 else run_isolated_async(self._guarded, records)
                )
        finally:
            del self._tasks[key]
            self._cancelled.discard(key)
            done(outcomes)

    async def _one(self, records: Sequence[Record]) -> list[Outcome]:
        """A batch of one, where nobody else can be to blame."""
        try:
            return checked(await self._run(records), records)
        except BaseException as error:
            return [failure_of(self._meant(error, records))]

    async def _guarded(self, records: Sequence[Record]) -> Sequence[Outcome]:
        try:
            return await self._run(records)
        except BaseException as error:
            meant = self._meant(error, records)
            if meant is error:
                raise
            raise meant from meant.__cause__

    def _meant(self, error: BaseException, records: Sequence[Record]) -> BaseException:
        """What an exception says: our own cancellation is no failure of the model, and nobody ends the process."""
        if isinstance(error, asyncio.CancelledError) and id(records) in self._cancelled:
            return Abandoned()
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            told = RuntimeError(f"the model tried to end its process: {type(error).__name__}")
            told.__cause__ = error
            return told
        return error

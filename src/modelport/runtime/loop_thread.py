"""An event loop in a thread of its own, for those that have none: WSGI hosts, and tests that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
CANCEL_SECONDS = 1.0


class LoopThread:
    """Runs from its construction until `stop`. A daemon: a process that ends does not wait for it."""

    def __init__(self, name: str, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has not been stopped."""
        return self._thread.is_alive()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin a coroutine there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, Result], timeout_s: float | None = None) -> Result:
        """Run a coroutine there and wait for it. Raises what it raises, and TimeoutError; it is cancelled then."""
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Cancel what still runs there, and end the thread."""
        if not self.is_alive:
            return
        with suppress(TimeoutError):
            self.run(_cancel_others(), 2 * CANCEL_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CANCEL_SECONDS)

    def _turn(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()


async def _cancel_others() -> None:
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
    await loop.shutdown_asyncgens()

"""Runs models that answer item by item: generators in threads, async generators on the loop.

A generator runs on while its reader is at most a window behind, and stands still between two items otherwise. Whoever reads no
more stops it: it is closed where it stands, in the thread or on the loop that runs it, so that its `finally` blocks are run.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from modelport.kernel.context import CallContext, current
from modelport.kernel.isolate import cause_of, failure_of
from modelport.kernel.ports import Done, Executor, Outcome
from modelport.kernel.streams import SendWindow, Turn, weight
from modelport.kernel.values import Failure
from modelport.runtime.handler import Contexts, Streaming, TimedSteps

OnItem = Callable[[bytes], None]
Warn = Callable[[str], None]

END = object()
GONE = Failure("deadline_exceeded", "Nobody reads this stream any more")
TOO_SLOW = Failure("slow_reader", "The stream was read too slowly while others waited for its turn")


class Stream:
    """One stream, from its body to its last item. Its methods are called on the loop; those of a thread say so.

    `patience_s`: how long its reader waits for an item. `since`: when the step that runs now began; 0 between two items.
    `begun`: it has given an item.
    """

    def __init__(self, value: Any, patience_s: float, on_item: OnItem) -> None:
        self.value = value
        self.patience_s = patience_s
        self.on_item = on_item
        self.context = CallContext()
        self.since = 0.0
        self.begun = False
        self.closing = False  # its `finally` blocks run: what they await is not disturbed
        self.stopped: Failure | None = None
        self.turn = Turn()
        self._window = SendWindow()

    @property
    def paused(self) -> bool:
        """Whether it stands still for its reader."""
        return not self._window.open

    def credit(self, size: int) -> None:
        """Its reader has taken so many bytes."""
        self._window.credited(size)

    def stop(self, reason: Failure = GONE) -> None:
        """It is to be closed where it stands."""
        self.stopped = self.stopped or reason

    def begin_step(self) -> None:
        """The model's code is about to run: what it calls may take as long as the reader waits for this item."""
        self.since = now = monotonic()
        current.set(self.context._replace(deadline=now + self.patience_s) if self.begun else self.context)


class ThreadStream(Stream):
    """One whose generator runs in a thread."""

    def __init__(self, value: Any, patience_s: float, on_item: OnItem, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(value, patience_s, on_item)
        self._loop = loop
        self._room = threading.Condition()
        self._items: deque[bytes] = deque()
        self._told = False  # the loop is about to take what is there

    def credit(self, size: int) -> None:
        """Its reader has taken so many bytes: the thread may go on."""
        with self._room:
            super().credit(size)
            self._room.notify()

    def stop(self, reason: Failure = GONE) -> None:
        """The thread closes it when the step that runs is done."""
        with self._room:
            super().stop(reason)
            self._room.notify()

    def hand_out(self, item: bytes) -> None:
        """From the thread: an item; waits while the reader is a window behind."""
        self.since, self.begun = 0.0, True
        with self._room:
            self._window.sent(weight(item))
            self._items.append(item)
            if not self._told:
                self._told = True
                self._loop.call_soon_threadsafe(self._pass_on)
            while not self._window.open and self.stopped is None:
                self._room.wait()

    def _pass_on(self) -> None:
        self._told = False
        while self._items:
            item = self._items.popleft()
            if self.stopped is None:
                self.on_item(item)


class LoopStream(Stream):
    """One whose generator runs on the loop."""

    def __init__(self, value: Any, patience_s: float, on_item: OnItem) -> None:
        super().__init__(value, patience_s, on_item)
        self._room = asyncio.Event()

    def credit(self, size: int) -> None:
        """Its reader has taken so many bytes: the task may go on."""
        super().credit(size)
        if self._window.open:
            self._room.set()

    async def hand_out(self, item: bytes) -> None:
        """An item; waits while the reader is a window behind, and lets others have a turn in any case."""
        self.since, self.begun = 0.0, True
        self._window.sent(weight(item))
        self.on_item(item)
        if self._window.open:
            await asyncio.sleep(0)
            return
        self._room.clear()
        await self._room.wait()


class StreamExecutor(Executor, Protocol):
    """Runs streams, as many at once as it has slots. The records of a batch are one `Stream` that it has made itself."""

    def open(self, value: Any, patience_s: float, on_item: OnItem) -> Stream:
        """A stream to submit."""

    def cancel(self, records: Sequence[Any]) -> None:
        """Nobody reads it any more."""

    def look(self, now: float, wanted: bool) -> None:
        """Once a second: end streams that stand still in turns that others wait for."""

    @property
    def running(self) -> Sequence[Stream]:
        """Those that run."""


class _Running:
    """What both kinds of executors keep of the streams that they run."""

    def __init__(self, model: Streaming, contexts: Contexts, warn: Warn) -> None:
        self._model = model
        self._contexts = contexts
        self._warn = warn
        self._running: dict[int, Stream] = {}

    @property
    def running(self) -> Sequence[Stream]:
        """Those that run."""
        return list(self._running.values())

    def look(self, now: float, wanted: bool) -> None:
        """Once a second: end streams that stand still in turns that others wait for."""
        for stream in self.running:
            if stream.turn.look(now, stream.paused, wanted):
                self.end(stream, TOO_SLOW)

    def end(self, stream: Stream, reason: Failure) -> None:
        """Have it closed."""
        stream.stop(reason)

    def _begin(self, records: Sequence[Any]) -> Stream:
        stream: Stream = records[0]
        stream.context = self._contexts.find(records)
        self._running[id(records)] = stream
        return stream

    def _warn_of_close(self, error: BaseException) -> None:
        self._warn(f"a generator failed while it was closed: {cause_of(error)}")


class ThreadStreams(_Running):
    """Generators, each in one of so many daemon threads from its first item to its last."""

    kind = "thread"

    def __init__(
        self, model: Streaming, contexts: Contexts, loop: asyncio.AbstractEventLoop, name: str, slots: int, warn: Warn
    ) -> None:
        super().__init__(model, contexts, warn)
        self.slots = slots
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Sequence[Any], Done] | None] = SimpleQueue()
        for _ in range(slots):
            threading.Thread(target=self._work, name=f"modelport-{name}", daemon=True).start()

    def open(self, value: Any, patience_s: float, on_item: OnItem) -> Stream:
        """A stream to submit."""
        return ThreadStream(value, patience_s, on_item, self._loop)

    def submit(self, records: Sequence[Any], done: Done) -> None:
        """Hand it to whichever thread is free first."""
        self._begin(records)

        def ended(outcomes: list[Outcome]) -> None:
            del self._running[id(records)]
            done(outcomes)

        self._jobs.put((records, ended))

    def cancel(self, records: Sequence[Any]) -> None:
        """Nobody reads it any more: its thread closes it."""
        records[0].stop()

    def close(self) -> None:
        """Let every thread end after what it has."""
        for _ in range(self.slots):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            records, done = job
            outcome = self._run(records[0])
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(done, [outcome])

    def _run(self, stream: ThreadStream) -> Outcome:
        """Whatever happens, this thread lives on and the reader is told."""
        if stream.stopped is not None:
            return stream.stopped
        try:
            stream.begin_step()
            items = iter(self._model.open(stream.value))
        except BaseException as error:
            return failure_of(error)
        try:
            return self._walk(stream, items)
        except BaseException as error:
            return failure_of(error)
        finally:
            self._close(stream, items)

    def _walk(self, stream: ThreadStream, items: Any) -> Outcome:
        model = self._model
        while stream.stopped is None:
            stream.begin_step()
            item = next(items, END)
            model.warning.step(monotonic() - stream.since)
            if item is END:
                return b""
            encoded = model.encode(item)
            if isinstance(encoded, Failure):
                return encoded
            stream.hand_out(on_one_line(encoded))
        return stream.stopped

    def _close(self, stream: ThreadStream, items: Any) -> None:
        stream.begin_step()  # its `finally` blocks are the model's code, too
        try:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._warn_of_close(error)


class LoopStreams(_Running):
    """Async generators on the loop of the process, a task for each."""

    kind = "coroutine"

    def __init__(
        self, model: Streaming, contexts: Contexts, loop: asyncio.AbstractEventLoop, slots: int, warn: Warn
    ) -> None:
        super().__init__(model, contexts, warn)
        self.slots = slots
        self._loop = loop
        self._tasks: dict[Stream, asyncio.Task[None]] = {}

    def open(self, value: Any, patience_s: float, on_item: OnItem) -> Stream:
        """A stream to submit."""
        return LoopStream(value, patience_s, on_item)

    def submit(self, records: Sequence[Any], done: Done) -> None:
        """Start it; it begins when the loop comes round."""
        stream = self._begin(records)
        self._tasks[stream] = self._loop.create_task(self._work(records, done))

    def cancel(self, records: Sequence[Any]) -> None:
        """Nobody reads it any more: what it awaits raises CancelledError, or else it is closed where it stands."""
        self.end(records[0], GONE)

    def end(self, stream: Stream, reason: Failure) -> None:
        """Have it closed, once: what its `finally` blocks await is not disturbed."""
        task = self._tasks.get(stream)
        if task is not None and stream.stopped is None:
            stream.stop(reason)
            self._loop.call_soon(
                self._interrupt, stream, task
            )  # behind its first step: without one it would run nothing at all

    def _interrupt(self, stream: Stream, task: asyncio.Task[None]) -> None:
        if not stream.closing:
            task.cancel()

    def close(self) -> None:
        """Nothing to release: what runs ends by itself."""

    async def _work(self, records: Sequence[Any], done: Done) -> None:
        """Whatever happens, the reader is told."""
        stream: LoopStream = records[0]
        outcome: Outcome = GONE
        try:
            outcome = stream.stopped or await self._run(stream)
        except asyncio.CancelledError:
            if stream.stopped is None:
                raise
            outcome = stream.stopped
        finally:
            del self._running[id(records)]
            del self._tasks[stream]
            done([outcome])

    async def _run(self, stream: LoopStream) -> Outcome:
        items: Any = None
        try:
            stream.begin_step()
            items = self._model.open(stream.value)
            if hasattr(items, "__await__"):
                items = await TimedSteps(items, self._model.warning)
            items = aiter(items)
            return await self._walk(stream, items)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return failure_of(error)  # of something that it awaited
        except BaseException as error:  # sys.exit() in a model, too: it would end the loop that everybody shares
            return failure_of(error)
        finally:
            await self._close(stream, items)

    async def _walk(self, stream: LoopStream, items: Any) -> Outcome:
        model = self._model
        while stream.stopped is None:
            stream.begin_step()
            try:
                item = await TimedSteps(anext(items), model.warning)
            except StopAsyncIteration:
                return b""
            encoded = model.encode(item)
            if isinstance(encoded, Failure):
                return encoded
            await stream.hand_out(on_one_line(encoded))
        return stream.stopped

    async def _close(self, stream: LoopStream, items: Any) -> None:
        stream.closing = True
        close = getattr(items, "aclose", None)
        if close is None:
            return
        stream.begin_step()  # its `finally` blocks are the model's code, too
        try:
            await close()
        except BaseException as error:
            self._warn_of_close(error)


_SEPARATORS = {character.encode(): b"\\u%04x" % ord(character) for character in "\x85\u2028\u2029"}


def on_one_line(item: bytes) -> bytes:
    """JSON that holds line feeds holds them between its parts, where blanks do as well: lines are what readers tell items by.

    Many readers take for lines what Unicode calls so, too; those characters stand in texts alone, and are escaped there.
    """
    if b"\n" in item or b"\r" in item:
        item = item.replace(b"\n", b" ").replace(b"\r", b" ")
    if not item.isascii():
        for separator, escaped in _SEPARATORS.items():
            item = item.replace(separator, escaped)
    return item


def stream_executor(
    model: Streaming, contexts: Contexts, loop: asyncio.AbstractEventLoop, name: str, slots: int, warn: Warn
) -> StreamExecutor:
    """For generators threads, for async generators the loop."""
    if model.is_async:
        return LoopStreams(model, contexts, loop, slots, warn)
    return ThreadStreams(model, contexts, loop, name, slots, warn)


def first_item(model: Streaming, value: Any, loop: asyncio.AbstractEventLoop) -> Outcome:
    """The first item of a stream, which is closed behind it; from a thread beside the loop. Raises what the model raises."""
    if model.is_async:
        return asyncio.run_coroutine_threadsafe(_first_item_async(model, value), loop).result()
    items = iter(model.open(value))
    try:
        item = next(items, END)
        return b"" if item is END else model.encode(item)
    finally:
        if hasattr(items, "close"):
            items.close()


async def _first_item_async(model: Streaming, value: Any) -> Outcome:
    items = model.open(value)
    items = aiter(await items if hasattr(items, "__await__") else items)
    try:
        return model.encode(await anext(items))
    except StopAsyncIteration:
        return b""
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()

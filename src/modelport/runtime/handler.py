"""What a holder runs: bytes to records, and records to encoded answers. Saved models and Python models look alike here."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, partial
from time import monotonic
from typing import Any, NamedTuple

from modelport.kernel.isolate import Abandoned
from modelport.kernel.values import Failure

Outcome = bytes | Failure
Run = Callable[[Sequence[Any]], list[Outcome]]
Encode = Callable[[Any], Outcome]
NO_LISTS = (str, bytes, bytearray, memoryview, Mapping, Set)
"""What can be walked through, but not as answers in an order: keys and characters are none."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A model that is loaded. `decode` raises InvalidInput; `description` is what the workers are told of it.

    `decodes_with_code`: reading a body may run the user's own code, which may raise, take its time, or end the process.
    `running`: what can be cancelled, where that is so. `decode_media`: reads bodies of other media types than JSON, and
    records whose answers are wanted in another one.
    """

    decode: Callable[[bytes], tuple[list[Any], bool]]
    run: Run
    max_rows: int
    slots: int
    description: dict[str, Any]
    decodes_with_code: bool = False
    running: Running | None = None
    decode_media: Callable[[bytes, bytes], tuple[list[Any], bool]] | None = None


class Asked(NamedTuple):
    """A record whose answer is to be written in another way than the others of its batch."""

    value: Any
    encode: Encode


def batched_run(call: Callable[[list[Any]], Any], encode: Encode) -> Run:
    """A function that takes a list and returns a list."""

    def run(records: Sequence[Any]) -> list[Outcome]:
        asked = [record for record in records if type(record) is Asked]
        answers = call(
            [record.value if type(record) is Asked else record for record in records] if asked else list(records)
        )
        if isinstance(answers, NO_LISTS) or not isinstance(answers, Iterable):
            wanted = (
                "a function declared with batch=True returns a list with one answer for each record, in their order"
            )
            raise TypeError(f"{wanted}; this one returned {type(answers).__name__}")
        if asked:
            return _encode_each(records, list(answers), encode)
        return [encode(answer) for answer in answers]

    return run


def _encode_each(records: Sequence[Any], answers: list[Any], encode: Encode) -> list[Outcome]:
    """Each answer as its record wants it; where their number is wrong, as the run itself would give them."""
    if len(answers) != len(records):
        return [encode(answer) for answer in answers]
    ways = [record.encode if type(record) is Asked else encode for record in records]
    return [way(answer) for way, answer in zip(ways, answers, strict=True)]


def single_run(call: Callable[[Any], Any], encode: Encode) -> Run:
    """A function of one body, called once per record."""

    def answer(record: Any) -> Outcome:
        return record.encode(call(record.value)) if type(record) is Asked else encode(call(record))

    return lambda records: [answer(record) for record in records]


SLOW_STEP_SECONDS = 0.25


class SlowWarning:
    """Says once that a function keeps its process busy: its name, file and line, and for how long."""

    def __init__(self, name: str, place: str, is_async: bool, advice: str, warn: Callable[[str], None]) -> None:
        self._text = f"{name} ({place})"
        self._is_async = is_async
        self._advice = advice
        self._warn: Callable[[str], None] | None = warn

    def step(self, seconds: float) -> None:
        """One uninterrupted stretch of the function's own code took so long."""
        if seconds < SLOW_STEP_SECONDS or self._warn is None:
            return
        warn, self._warn = self._warn, None
        how = "blocked its event loop" if self._is_async else "was busy"
        warn(
            f"{self._text} {how} for {seconds * 1000:,.0f} ms. Probes and other models are not affected; calls of this "
            f"model wait for one another ({self._advice})"
        )


def timed(function: Callable[..., Any], warning: SlowWarning) -> Callable[..., Any]:
    """The same function, whose long stretches are noticed. A coroutine's waiting is not its own code."""
    if inspect.iscoroutinefunction(function):
        return lambda *args, **kwargs: _timed_steps(function(*args, **kwargs), warning)

    def call(*args: Any, **kwargs: Any) -> Any:
        started = monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            warning.step(monotonic() - started)

    return call


async def _timed_steps(coroutine: Coroutine[Any, Any, Any], warning: SlowWarning) -> Any:
    return await _Steps(coroutine, warning)


class _Steps:
    """Drives a coroutine step by step, timing each."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], warning: SlowWarning) -> None:
        self._coroutine = coroutine
        self._warning = warning

    def __await__(self) -> Generator[Any, Any, Any]:
        """Hands on what the coroutine waits for, and to the coroutine what comes of it: values and exceptions alike."""
        inner = self._coroutine.__await__()
        step = partial(inner.send, None)
        while True:
            started = monotonic()
            try:
                yielded = step()
            except StopIteration as end:
                return end.value
            finally:
                self._warning.step(monotonic() - started)
            try:
                step = partial(inner.send, (yield yielded))
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:  # a failed future, a cancellation: the function may want to handle it
                step = partial(inner.throw, error)


class Scope:
    """One batch, as its coroutines see it. All but `cancel` happens on the loop for models."""

    def __init__(self) -> None:
        self.cancelled = False
        self._task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """End what runs, and begin nothing more. From any thread."""
        _models_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self.cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await it; raises Abandoned when it ends because it was cancelled from outside."""
        self._task = asyncio.current_task()
        try:
            if self.cancelled:
                self._cancel()
            return await coroutine
        except asyncio.CancelledError:
            if self.cancelled:
                raise Abandoned from None
            raise
        finally:
            self._task = None


class Running:
    """The batches whose coroutines can be cancelled, by the list of their records."""

    def __init__(self) -> None:
        self._scopes: dict[int, Scope] = {}
        self._thread = threading.local()

    def begin(self, records: Sequence[Any]) -> None:
        """A batch with this very list is about to be run."""
        self._scopes[id(records)] = Scope()

    def end(self, records: Sequence[Any]) -> None:
        """It is done."""
        self._scopes.pop(id(records), None)

    def cancel(self, records: Sequence[Any]) -> None:
        """Nobody waits for it."""
        self._scopes[id(records)].cancel()

    def enclose(self, run: Run) -> Run:
        """The same run, which notes the batch that its thread is at. A half of a batch belongs to the batch before it."""

        def enclosed(records: Sequence[Any]) -> list[Outcome]:
            self._thread.scope = self._scopes.get(id(records)) or self.scope
            return run(records)

        return enclosed

    @property
    def scope(self) -> Scope:
        """The batch that this thread is at; where it is at none, as when a model loads, one that nobody cancels."""
        return getattr(self._thread, "scope", None) or Scope()


def as_plain_call(function: Callable[..., Any], is_async: bool, running: Running | None = None) -> Callable[..., Any]:
    """An `async def` runs on the one loop of its process that is for models: it may block, only models run there.

    All calls share that loop, and what `load` opened on it: a connection pool belongs to the loop that made it.
    """
    if not is_async:
        return function
    loop = _models_loop()
    batches = running or Running()

    async def guarded(scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await scope.run(function(*args, **kwargs))
        except (SystemExit, KeyboardInterrupt) as error:  # either would end the loop that everybody shares
            raise RuntimeError(f"the model tried to end its process: {type(error).__name__}") from error

    return lambda *args, **kwargs: asyncio.run_coroutine_threadsafe(guarded(batches.scope, args, kwargs), loop).result()


@cache
def _models_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="modelport-async", daemon=True).start()
    return loop

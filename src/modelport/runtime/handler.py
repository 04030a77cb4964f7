"""What a holder runs: bytes to records, and records to encoded answers. Saved models and Python models look alike here."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from modelport.kernel.context import CallContext, current
from modelport.kernel.isolate import AsyncRun
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
    `run` is for threads; `run_async`, where there is one, for the loop of the process, and `run` is not used then.
    `contexts`: where whoever runs it finds the call that its code is at. `decode_media`: reads bodies of other media types
    than JSON, and records whose answers are wanted in another one. `read_at_once`: media types of which reading is nothing but
    to take the bytes. `streaming`: how it runs where it answers item by item;
    `run` and `run_async` are not used then.
    """

    decode: Callable[[bytes], tuple[list[Any], bool]]
    run: Run
    max_rows: int
    slots: int
    description: dict[str, Any]
    decodes_with_code: bool = False
    run_async: AsyncRun | None = None
    contexts: Contexts | None = None
    decode_media: Callable[[bytes, bytes], tuple[list[Any], bool]] | None = None
    streaming: Streaming | None = None
    read_at_once: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Streaming:
    """A model that gives its answer item by item. `open`: from a body to an iterator, or to what is awaited for one."""

    open: Callable[[Any], Any]
    encode: Encode
    is_async: bool
    warning: SlowWarning


class Contexts:
    """The calls that batches are about, by the list of their records, as long as they run."""

    def __init__(self) -> None:
        self._of: dict[int, CallContext] = {}

    def begin(self, records: Sequence[Any], context: CallContext) -> None:
        """A batch with this very list is about to be run."""
        self._of[id(records)] = context

    def end(self, records: Sequence[Any]) -> None:
        """It is done."""
        self._of.pop(id(records), None)

    def find(self, records: Sequence[Any]) -> CallContext:
        """The call that this very list is about."""
        return self._of.get(id(records)) or CallContext()

    def enclose(self, run: Run) -> Run:
        """The same run, whose code can tell which call it is at. A half of a batch belongs to the batch before it."""

        def enclosed(records: Sequence[Any]) -> list[Outcome]:
            self._enter(records)
            return run(records)

        return enclosed

    def enclose_async(self, run: AsyncRun) -> AsyncRun:
        """The same for a coroutine, which has a task of its own, and so variables of its own."""

        async def enclosed(records: Sequence[Any]) -> Sequence[Outcome]:
            self._enter(records)
            return await run(records)

        return enclosed

    def _enter(self, records: Sequence[Any]) -> None:
        context = self._of.get(id(records))
        if context is not None:
            current.set(context)


class Asked(NamedTuple):
    """A record whose answer is to be written in another way than the others of its batch."""

    value: Any
    encode: Encode


def batched_run(call: Callable[[list[Any]], Any], encode: Encode) -> Run:
    """A function that takes a list and returns a list."""
    return lambda records: _encoded(records, call(_values(records)), encode)


def batched_run_async(call: Callable[[list[Any]], Awaitable[Any]], encode: Encode) -> AsyncRun:
    """The same for an `async def`."""

    async def run(records: Sequence[Any]) -> list[Outcome]:
        return _encoded(records, await call(_values(records)), encode)

    return run


def _values(records: Sequence[Any]) -> list[Any]:
    return [record.value if type(record) is Asked else record for record in records]


def _encoded(records: Sequence[Any], answers: Any, encode: Encode) -> list[Outcome]:
    """Each answer as its record wants it; where their number is wrong, as the run itself would give them."""
    if isinstance(answers, NO_LISTS) or not isinstance(answers, Iterable):
        wanted = "a function declared with batch=True returns a list with one answer for each record, in their order"
        raise TypeError(f"{wanted}; this one returned {type(answers).__name__}")
    listed = list(answers)
    if len(listed) != len(records):
        return [encode(answer) for answer in listed]
    return [
        record.encode(answer) if type(record) is Asked else encode(answer)
        for record, answer in zip(records, listed, strict=True)
    ]


def single_run(call: Callable[[Any], Any], encode: Encode) -> Run:
    """A function of one body, called once per record."""

    def answer(record: Any) -> Outcome:
        return record.encode(call(record.value)) if type(record) is Asked else encode(call(record))

    return lambda records: [answer(record) for record in records]


def single_run_async(call: Callable[[Any], Awaitable[Any]], encode: Encode) -> AsyncRun:
    """The same for an `async def`."""

    async def run(records: Sequence[Any]) -> list[Outcome]:
        outcomes = []
        for record in records:
            asked = type(record) is Asked
            answer = await call(record.value if asked else record)
            outcomes.append(record.encode(answer) if asked else encode(answer))
        return outcomes

    return run


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
        return lambda *args, **kwargs: TimedSteps(function(*args, **kwargs), warning)

    def call(*args: Any, **kwargs: Any) -> Any:
        started = monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            warning.step(monotonic() - started)

    return call


class TimedSteps:
    """Drives a coroutine, or whatever else is awaited, step by step, timing each."""

    def __init__(self, coroutine: Awaitable[Any], warning: SlowWarning) -> None:
        self._coroutine = coroutine
        self._warning = warning

    def __await__(self) -> Generator[Any, Any, Any]:
        """Hands on what the coroutine waits for, and to the coroutine what comes of it: values and exceptions alike."""
        inner = self._coroutine.__await__()
        step, sent = inner.send, None
        while True:
            started = monotonic()
            try:
                yielded = step(sent)
            except StopIteration as end:
                return end.value
            finally:
                self._warning.step(monotonic() - started)
            try:
                step, sent = inner.send, (yield yielded)
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:  # a failed future, a cancellation: the function may want to handle it
                step, sent = inner.throw, error


def as_plain_call(function: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """A function that can be called in a thread beside the loop: an `async def` runs on the loop that its calls will run on."""
    if not inspect.iscoroutinefunction(function):
        return function

    async def guarded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await function(*args, **kwargs)
        except (SystemExit, KeyboardInterrupt) as error:  # either would end the loop that everybody shares
            raise RuntimeError(f"the model tried to end its process: {type(error).__name__}") from error

    return lambda *args, **kwargs: asyncio.run_coroutine_threadsafe(guarded(args, kwargs), loop).result()

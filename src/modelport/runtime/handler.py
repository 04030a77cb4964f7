"""What a holder runs: bytes to records, and records to encoded answers. Saved models and Python models look alike here."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

Run = Callable[[Sequence[Any]], list[bytes]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A model that is loaded. `decode` raises InvalidInput; `description` is what the workers are told of it."""

    decode: Callable[[bytes], tuple[list[Any], bool]]
    run: Run
    max_rows: int
    slots: int
    description: dict[str, Any]


def batched_run(call: Callable[[list[Any]], Any], encode: Callable[[Any], bytes]) -> Run:
    """A function that takes a list and returns a list."""
    return lambda records: [encode(answer) for answer in call(list(records))]


def single_run(call: Callable[[Any], Any], encode: Callable[[Any], bytes]) -> Run:
    """A function of one body, called once per record."""
    return lambda records: [encode(call(record)) for record in records]


SLOW_STEP_SECONDS = 0.25


class SlowWarning:
    """Says once that a function keeps its process busy: its name, file and line, and for how long."""

    def __init__(self, name: str, place: str, is_async: bool, warn: Callable[[str], None]) -> None:
        self._text = f"{name} ({place})"
        self._is_async = is_async
        self._warn: Callable[[str], None] | None = warn

    def step(self, seconds: float) -> None:
        """One uninterrupted stretch of the function's own code took so long."""
        if seconds < SLOW_STEP_SECONDS or self._warn is None:
            return
        warn, self._warn = self._warn, None
        how = "blocked its event loop" if self._is_async else "was busy"
        warn(
            f"{self._text} {how} for {seconds * 1000:,.0f} ms. Probes and other models are not affected; calls of this "
            "model wait for one another (batch=True or parallel=n lets more through)"
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
        inner = self._coroutine.__await__()
        value: Any = None
        while True:
            started = monotonic()
            try:
                yielded = inner.send(value)
            except StopIteration as end:
                return end.value
            finally:
                self._warning.step(monotonic() - started)
            value = yield yielded


def as_plain_call(function: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
    """An `async def` runs to its end on a loop that its thread has for itself: it may block, nobody else runs there."""
    if not is_async:
        return function
    local = threading.local()

    def call(*args: Any, **kwargs: Any) -> Any:
        if not hasattr(local, "runner"):
            local.runner = asyncio.Runner()
        return local.runner.run(function(*args, **kwargs))

    return call

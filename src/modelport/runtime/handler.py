"""What a holder runs: bytes to records, and records to encoded answers. Saved models and Python models look alike here."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def as_plain_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """An `async def` runs to its end on a loop that its thread has for itself: it may block, nobody else runs there."""
    if not inspect.iscoroutinefunction(function):
        return function
    local = threading.local()

    def call(*args: Any, **kwargs: Any) -> Any:
        if not hasattr(local, "runner"):
            local.runner = asyncio.Runner()
        return local.runner.run(function(*args, **kwargs))

    return call

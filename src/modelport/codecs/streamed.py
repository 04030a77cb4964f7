"""Whether a function answers with a stream, told from its kind and its return annotation before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from modelport.errors import ConfigError

SYNC_HINTS = (Iterator, Generator)
ASYNC_HINTS = (AsyncIterator, AsyncGenerator)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A function that gives its answer item by item. `item`: the annotated type of one; None where nothing is said."""

    item: Any
    is_async: bool


def read_stream(function: Callable[..., Any], hint: Any, batch: bool, place: str) -> Streamed | None:
    """None for a function that answers once. Raises ConfigError, with file and line, for what contradicts itself."""
    kind = get_origin(hint) or hint
    yields = inspect.isgeneratorfunction(function)
    yields_async = inspect.isasyncgenfunction(function)
    if not (yields or yields_async or kind in SYNC_HINTS or kind in ASYNC_HINTS):
        return None
    if batch:
        raise ConfigError(
            f"{place}: batch=True and a stream exclude each other, because one list of answers cannot be sent item by item: "
            "leave out batch=True, or return a list"
        )
    is_async = yields_async or (kind in ASYNC_HINTS and not yields)
    _check(function, hint, kind, is_async, place)
    args = get_args(hint)
    return Streamed(args[0] if args else None, is_async)


def _check(function: Callable[..., Any], hint: Any, kind: Any, is_async: bool, place: str) -> None:
    """A generator function that says it returns something else, or the other kind of iterator."""
    name = getattr(function, "__name__", "this function")
    right = "AsyncIterator" if is_async else "Iterator"
    fitting = (*ASYNC_HINTS, AsyncIterable) if is_async else (*SYNC_HINTS, Iterable)
    if inspect.iscoroutinefunction(function) and not is_async:
        raise ConfigError(
            f"{place}: {name} is an async def that returns {_shown(hint)}: its items would be waited for on the event loop; "
            "write  yield  in it and  -> AsyncIterator[…],  or make it a def"
        )
    if hint is None or hint is Any or kind in fitting:
        return
    written = get_args(hint)[0] if get_args(hint) and kind not in (dict, tuple) else hint
    item = _shown(written) if written is not None else "str"
    raise ConfigError(
        f"{place}: {name} yields, so it answers with a stream, but its annotation says {_shown(hint)}: "
        f"write  -> {right}[{item}],  or return the answer instead of yielding it"
    )


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")

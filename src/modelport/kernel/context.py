"""The call that code is at: until when its caller waits, and through which models it came. Set wherever the user's code runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from math import inf
from typing import Any, NamedTuple

_BETWEEN = b"\0"


class CallContext(NamedTuple):
    """`deadline` by CLOCK_MONOTONIC, which all processes of a machine share; `chain` from the outermost model to this one."""

    deadline: float = inf
    chain: tuple[str, ...] = ()
    request_id: bytes = b""


current: ContextVar[CallContext | None] = ContextVar("modelport_call", default=None)
"""None outside of calls, and in threads that were started without a copy of the context."""

own_thread: ContextVar[Callable[[Callable[[], Any]], Awaitable[Any]] | None] = ContextVar(
    "modelport_thread", default=None
)
"""Runs a step in the one thread of a request that has one: see `mount/inside_flask.py`."""


def pack_chain(chain: Iterable[str]) -> bytes:
    """For a frame. No name holds what stands between them."""
    return _BETWEEN.join(name.encode() for name in chain)


def unpack_chain(packed: bytes) -> tuple[str, ...]:
    """The other direction."""
    return tuple(part.decode() for part in packed.split(_BETWEEN)) if packed else ()


def context_of_batch(model: str, calls: Sequence[tuple[float, bytes, bytes]]) -> CallContext:
    """Of several calls (deadline, packed chain, request id) that a model answers at once.

    It may run as long as any of them waits, and comes through all models that any of them came through.
    """
    if len(calls) == 1:
        until, packed, request = calls[0]
        return CallContext(until or inf, (*unpack_chain(packed), model) if packed else (model,), request)
    deadline, request, chain = 0.0, b"", dict[str, None]()
    for until, packed, request_id in calls:
        deadline, request = max(deadline, until), request or request_id
        if packed:
            chain |= dict.fromkeys(unpack_chain(packed))
    return CallContext(deadline or inf, (*chain, model), request)

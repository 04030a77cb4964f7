"""The life of a served model: loading, then ready or failed. Loading is a state, not a timeout."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from modelport.errors import ModelportError
from modelport.kernel.isolate import cause_of
from modelport.kernel.signature import Signature


class State(StrEnum):
    """Where a model is in its life."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is known of a model that can answer. A saved model has a signature, one written in Python has JSON Schemas."""

    version: str
    executor: str
    reason: str
    signature: Signature | None = None
    body_schema: dict[str, Any] | None = None
    answer_schema: dict[str, Any] | None = None
    form_schema: dict[str, Any] | None = None
    example: Any = None
    notes: tuple[str, ...] = ()
    form: Mapping[str, Any] = field(default_factory=dict)  # compiled or original, and what there is to say of it
    list_depth: int = 0  # in how many lists the parts of one body lie; many have one more around them
    reads: tuple[str, ...] = ()  # media types that its holder reads as they are, beside JSON
    writes: tuple[str, ...] = ()  # those that its holder writes
    threads: int = 0  # of numeric libraries, in a process of its own; 0 elsewhere
    streams: bool = False  # it answers item by item


@dataclass(slots=True)
class Slot:
    """A named place that a model is served from. Routes keep the slot; the model comes later."""

    name: str
    index: int = 0
    state: State = State.LOADING
    error: str = ""
    activity: str = "loading"  # while it loads: what is going on
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    loaded: Loaded | None = None
    lane: Any = None
    on_change: list[Callable[[Slot], None]] = field(default_factory=list)

    def become_ready(self, loaded: Loaded, lane: Any) -> None:
        """It can answer. Routes that listen compile what they need."""
        self.seconds = self.seconds or time.monotonic() - self.started
        self.loaded, self.lane, self.state = loaded, lane, State.READY
        self._tell()

    def become_loading(self) -> None:
        """Its process is gone, and another one loads: until it has, callers are better off elsewhere."""
        self.started, self.seconds = time.monotonic(), 0.0
        self.activity, self.state = "loading", State.LOADING
        self._tell()

    def become_failed(self, error: str) -> None:
        """It cannot be loaded."""
        self.seconds = time.monotonic() - self.started
        self.error, self.state = error, State.FAILED
        self._tell()

    def _tell(self) -> None:
        for listener in self.on_change:
            listener(self)

    @property
    def doing(self) -> str:
        """Its state, and while it is not ready yet, what is going on."""
        return self.activity if self.state is State.LOADING else str(self.state)

    def elapsed(self) -> float:
        """Seconds spent loading, until now or in all."""
        return self.seconds or time.monotonic() - self.started


Publish = Callable[[Any], None]


def start_loading(slot: Slot, load: Callable[[], Any], publish: Publish, loop: asyncio.AbstractEventLoop) -> None:
    """Load in a thread, so that probes are answered meanwhile; publish what was loaded on the loop."""

    def tell(function: Callable[[Any], None], argument: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(function, argument)

    def work() -> None:
        try:
            loaded = load()
        except ModelportError as known:
            tell(slot.become_failed, str(known))
        except BaseException as unknown:  # whatever a model's code raises must end in a state, not in a dead thread
            tell(slot.become_failed, f"loading failed: {cause_of(unknown)}")
        else:
            tell(publish, loaded)

    threading.Thread(target=work, name=f"modelport-load-{slot.name}", daemon=True).start()

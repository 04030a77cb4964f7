"""The life of a served model: loading, then ready or failed. Loading is a state, not a timeout."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from modelport.errors import ModelportError
from modelport.kernel.isolate import cause_of
from modelport.kernel.ports import Done, Model
from modelport.kernel.values import Record
from modelport.runtime.scheduler import Scheduler


class State(StrEnum):
    """Where a model is in its life."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gives: the model, its version, and how it was decided to run it."""

    model: Model
    version: str
    placement: str
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Slot:
    """A named place that a model is served from. Routes keep the slot; the model comes later."""

    name: str
    state: State = State.LOADING
    error: str = ""
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    loaded: Loaded | None = None
    scheduler: Scheduler | None = None
    on_change: list[Callable[[Slot], None]] = field(default_factory=list)

    def submit(self, records: Sequence[Record], done: Done) -> bool:
        """Queue one call. Only after the state is ready."""
        assert self.scheduler is not None
        return self.scheduler.submit(records, done)

    def elapsed(self) -> float:
        """Seconds spent loading, until now or in all."""
        return self.seconds or time.monotonic() - self.started


def start_loading(
    slot: Slot, load: Callable[[], Loaded], publish: Callable[[Loaded], Scheduler], loop: asyncio.AbstractEventLoop
) -> threading.Thread:
    """Load in a thread, so that probes are answered meanwhile; publish on the loop."""

    def finish(loaded: Loaded | None, error: str) -> None:
        slot.seconds = time.monotonic() - slot.started
        if loaded is not None:
            slot.scheduler = publish(loaded)
            slot.loaded = loaded
        slot.error = error
        slot.state = State.READY if loaded is not None else State.FAILED
        for listener in slot.on_change:
            listener(slot)

    def work() -> None:
        loaded, error = None, ""
        try:
            loaded = load()
        except ModelportError as known:
            error = str(known)
        except BaseException as unknown:  # whatever a model's code raises must end in a state, not in a dead thread
            error = f"loading failed: {cause_of(unknown)}"
        loop.call_soon_threadsafe(finish, loaded, error)

    thread = threading.Thread(target=work, name=f"modelport-load-{slot.name}", daemon=True)
    thread.start()
    return thread

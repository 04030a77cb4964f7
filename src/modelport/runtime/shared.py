"""The board: memory that all processes of a service share, in which each counts in a slot of its own.

The supervisor creates it and hands its descriptor down. Every cell is a double that one process writes, so nothing is locked
on the way of a request, and whoever is scraped adds the slots up. A process that takes a dead one's place goes on counting in
its slot, so no counter ever falls; only what waited and ran there is set to zero.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from modelport.kernel.meters import (
    BATCH_ROWS,
    CELLS,
    ITEMS_AT,
    MODEL_SECONDS,
    QUEUE_SECONDS,
    REQUEST_SECONDS,
    REQUESTS_AT,
    ROLES,
    SHED_AT,
    Meter,
    ModelReading,
    ProcessReading,
    reading,
)
from modelport.runtime.runs import Runs

LAYOUT = 4.0
MAX_DIGESTS = 256
DIGEST_BYTES = 8
_NO_DIGEST = bytes(DIGEST_BYTES)
_CELL = 8

# The head of the board.
_LAYOUT, _SLOTS, _MODELS, _USED, _PID, _STARTED, _WORKER_RESTARTS = range(7)
_HEAD = 8

# The head of a slot. Behind it lie the digests of what runs.
_SLOT_PID, _ROLE, _MODEL, _SLOT_STARTED, _BEAT, _BUSY_SINCE, _HARD_LIMIT, _DIGESTS, _SLOT_HEAD = range(9)
_SLOT_CELLS = _SLOT_HEAD + MAX_DIGESTS


@dataclass(frozen=True, slots=True)
class Recorder:
    """How one process counts for one model: plain functions, since they are called for every request."""

    request: Callable[[int, float], None]
    """`(outcome, seconds)`: one request ended so, after so long."""
    shed: Callable[[int], None]
    """`(reason)`: one request was refused at the door."""
    batch: Callable[[int, Sequence[float], float], None]
    """`(rows, queued, seconds)`: one batch ran; how long each of its calls had waited, and how long it took."""
    waiting: Callable[[int, int], None]
    """`(rows, bytes)`: so many more rows wait or run, in bodies of so many bytes; fewer, where they are negative."""
    receiving: Callable[[int], None]
    """`(bytes)`: so many more bytes of bodies are on their way in; fewer, where it is negative."""
    running: Callable[[int], None]
    """`(batches)`: so many more batches run; fewer, where it is negative."""
    items: Callable[[int], None]
    """`(items)`: so many more items of streams were sent."""


Run = tuple[float, float, Sequence[bytes]]
"""Busy since, hard limit (0 when idle), digests of the calls that run."""


class SharedBoard:
    """A number of slots with room for a number of models. `create` in the supervisor, `open` in its children."""

    def __init__(self, fd: int, private: bool = False) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, 0, mmap.MAP_PRIVATE if private else mmap.MAP_SHARED)
        self._bytes = memoryview(self._memory)
        self._cells = self._bytes.cast("d")
        if self._cells[_LAYOUT] != LAYOUT:
            raise ValueError("this descriptor is not a board of this version")
        self._slots, self._models = int(self._cells[_SLOTS]), int(self._cells[_MODELS])
        self._restarts_at = _HEAD  # of holders, by model
        self._waiting_at = self._restarts_at + self._models  # by model, then by slot: so that one slice is summed
        self._bytes_at = self._waiting_at + self._models * self._slots
        self._receiving_at = self._bytes_at + self._models * self._slots
        self._running_at = self._receiving_at + self._models * self._slots
        self._slots_at = self._running_at + self._models * self._slots
        self._meters_at = self._slots_at + self._slots * _SLOT_CELLS
        self._runs: dict[int, Runs] = {}

    @classmethod
    def create(cls, slots: int, models: int, private: bool = False) -> SharedBoard:
        """A board with all at zero. Untouched pages cost no memory, so slots may be many.

        `private`: of one process alone; what it forks has a board of its own, with the same count.
        """
        fd = _anonymous_file()
        os.ftruncate(fd, _CELL * _size(slots, models))
        with mmap.mmap(fd, 0) as memory, memoryview(memory) as plain, plain.cast("d") as cells:
            cells[_SLOTS], cells[_MODELS], cells[_LAYOUT] = slots, models, LAYOUT
            cells[_PID], cells[_STARTED] = os.getpid(), monotonic()
        return cls(fd, private)

    @classmethod
    def open(cls, fd: int) -> SharedBoard:
        """The board behind an inherited descriptor."""
        return cls(fd)

    def close(self) -> None:
        """Let the memory go. Recorders of this board count no more."""
        self._cells.release()
        self._bytes.release()
        self._memory.close()
        os.close(self.fd)

    # -- a process and its slot ----------------------------------------------------------------------------------

    def claim(self, slot: int, role: str, model: int | None = None) -> None:
        """This process counts in that slot from now on. `model`: which one it holds."""
        self.clear_gauges(slot)
        at = self._slot_at(slot)
        self._cells[at + _ROLE] = ROLES.index(role)
        self._cells[at + _MODEL] = -1.0 if model is None else model
        self._cells[at + _SLOT_STARTED] = monotonic()
        self._cells[at + _SLOT_PID] = os.getpid()
        fcntl.lockf(self.fd, fcntl.LOCK_EX)  # two processes may start at once
        self._cells[_USED] = max(self._cells[_USED], slot + 1)
        fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def clear_gauges(self, slot: int) -> None:
        """A process is gone: nothing waits or runs there any more. What it counted stays."""
        self._runs.pop(slot, None)
        at = self._slot_at(slot)
        self._cells[at : at + _SLOT_HEAD] = memoryview(bytes(_CELL * _SLOT_HEAD)).cast("d")
        for model in range(self._models):
            for gauges_at in (self._waiting_at, self._bytes_at, self._receiving_at, self._running_at):
                self._cells[gauges_at + model * self._slots + slot] = 0.0

    def count_restart(self, role: str, model: int | None = None) -> None:
        """A process died and is replaced. Only the supervisor counts these."""
        self._cells[_WORKER_RESTARTS if model is None else self._restarts_at + model] += 1

    def _slot_at(self, slot: int) -> int:
        if not 0 <= slot < self._slots:
            raise IndexError(f"slot {slot} of {self._slots}")
        return self._slots_at + slot * _SLOT_CELLS

    def beat(self, slot: int) -> None:
        """A sign of life from the loop of this slot's process."""
        self._cells[self._slot_at(slot) + _BEAT] = monotonic()

    def last_beat(self, slot: int) -> float:
        """When the process of this slot gave its last sign of life; 0 where it has given none yet."""
        return self._cells[self._slot_at(slot) + _BEAT]

    # -- what runs -----------------------------------------------------------------------------------------------

    def begin(self, slot: int, hard_limit: float, digests: Sequence[bytes], batch: int = 0) -> None:
        """A batch runs from now on, until a moment at which it is killed. `batch` tells those apart that run at once."""
        runs = self._runs.get(slot)
        if runs is None:
            runs = self._runs[slot] = Runs(MAX_DIGESTS)
        start = _CELL * (self._slot_at(slot) + _SLOT_HEAD)
        once = digests if len(digests) == 1 else tuple(dict.fromkeys(digests))
        for place, digest in zip(runs.begin(batch, monotonic(), hard_limit, once), once, strict=False):
            at = start + DIGEST_BYTES * place
            self._bytes[at : at + DIGEST_BYTES] = digest
        self._publish(slot, runs)

    def end(self, slot: int, batch: int = 0) -> None:
        """It is done."""
        runs = self._runs.get(slot)
        if runs is not None:
            self._wipe(slot, runs.end(batch))
            self._publish(slot, runs)

    def shorten(self, slot: int, hard_limit: float, batch: int = 0) -> None:
        """Nobody waits for this batch any more: it may run until then, and whoever ends it blames no body for that."""
        runs = self._runs[slot]
        self._wipe(slot, runs.shorten(batch, hard_limit))
        self._publish(slot, runs)

    def _wipe(self, slot: int, places: Sequence[int]) -> None:
        start = self._slot_at(slot) + _SLOT_HEAD
        for place in places:
            self._cells[start + place] = 0.0

    def _publish(self, slot: int, runs: Runs) -> None:
        """The limit is written last and taken back first, so that no reader sees one without what it belongs to."""
        cells, at, limit = self._cells, self._slot_at(slot), runs.limit
        if not limit:
            cells[at + _HARD_LIMIT] = cells[at + _DIGESTS] = 0.0
            return
        cells[at + _DIGESTS] = runs.told
        cells[at + _BUSY_SINCE] = runs.since
        cells[at + _HARD_LIMIT] = limit

    def running(self, slot: int) -> Run:
        """What runs in a slot: of several batches the earliest start and limit, and the digests of all.

        There are `MAX_DIGESTS` of them where more run than the board has room for: not all of them are known then.
        """
        at = self._slot_at(slot)
        since, limit, told = self._cells[at + _BUSY_SINCE : at + _SLOT_HEAD].tolist()
        start, count = _CELL * (at + _SLOT_HEAD), int(told)
        packed = bytes(self._bytes[start : start + DIGEST_BYTES * count])
        digests = [packed[i : i + DIGEST_BYTES] for i in range(0, len(packed), DIGEST_BYTES)]
        known = digests if count == MAX_DIGESTS else [each for each in dict.fromkeys(digests) if each != _NO_DIGEST]
        return since, limit, known

    # -- counting ------------------------------------------------------------------------------------------------

    def recorder(self, slot: int, model: int) -> Recorder:
        """How the process of this slot counts for this model. Its functions are for one thread."""
        if not 0 <= model < self._models:
            raise IndexError(f"model {model} of {self._models}")
        self._slot_at(slot)
        base = self._meters_at + (slot * self._models + model) * CELLS
        return Recorder(
            _request_counter(self._cells, base),
            _counter(self._cells, base + SHED_AT),
            _batch_counter(self._cells, base),
            _gauges(self._cells, *(at + model * self._slots + slot for at in (self._waiting_at, self._bytes_at))),
            _gauge(self._cells, self._receiving_at + model * self._slots + slot),
            _gauge(self._cells, self._running_at + model * self._slots + slot),
            _gauge(self._cells, base + ITEMS_AT),
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def waiting_rows(self, model: int) -> int:
        """The rows of this model that wait or run, over all processes."""
        return self._sum(self._waiting_at, model)

    def waiting_bytes(self, model: int) -> int:
        """The bodies of these calls, together."""
        return self._sum(self._bytes_at, model)

    def held_bytes(self, model: int) -> int:
        """These, and the bodies that are on their way in."""
        return self._sum(self._bytes_at, model) + self._sum(self._receiving_at, model)

    def _sum(self, gauges_at: int, model: int) -> int:
        at = gauges_at + model * self._slots
        return int(sum(self._cells[at : at + int(self._cells[_USED])]))

    def read_model(self, index: int) -> ModelReading:
        """All figures of one model, over all processes."""
        rows = [self._meters_at + (slot * self._models + index) * CELLS for slot in range(int(self._cells[_USED]))]
        cells = [sum(column) for column in zip(*(self._cells[at : at + CELLS].tolist() for at in rows), strict=True)]
        waiting, size, running = (self._sum(at, index) for at in (self._waiting_at, self._bytes_at, self._running_at))
        return reading(cells or [0.0] * CELLS, waiting, size, running, int(self._cells[self._restarts_at + index]))

    def processes(self) -> list[ProcessReading]:
        """The supervisor, where there is one, and everybody with a slot."""
        found = [p for slot in range(int(self._cells[_USED])) if (p := self._process(slot)).pid]
        first = int(self._cells[_PID])
        if any(process.pid == first for process in found):
            return found
        return [ProcessReading(first, "supervisor", None, self._cells[_STARTED]), *found]

    def _process(self, slot: int) -> ProcessReading:
        at = self._slot_at(slot)
        pid, role, model, started = self._cells[at : at + _BEAT].tolist()
        return ProcessReading(int(pid), ROLES[int(role)], int(model) if model >= 0 else None, started)

    def restarts(self) -> dict[str, int]:
        """How many processes were replaced after they died, by role."""
        holders = sum(self._cells[self._restarts_at : self._restarts_at + self._models])
        return {"worker": int(self._cells[_WORKER_RESTARTS]), "holder": int(holders)}


def _size(slots: int, models: int) -> int:
    return _HEAD + models + slots * (4 * models + _SLOT_CELLS + models * CELLS)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("modelport-board")
    import tempfile  # where the kernel has no memory without a name

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


# -- closures over the cells: an attribute less to look up for every request -----------------------------------------------


def _request_counter(cells: memoryview[float], base: int) -> Callable[[int, float], None]:
    outcomes, buckets, total = base + REQUESTS_AT, base + REQUEST_SECONDS.start, base + REQUEST_SECONDS.sum_at
    bounds = REQUEST_SECONDS.bounds

    def request(outcome: int, seconds: float) -> None:
        cells[outcomes + outcome] += 1.0
        cells[buckets + bisect_left(bounds, seconds)] += 1.0
        cells[total] += seconds

    return request


def _batch_counter(cells: memoryview[float], base: int) -> Callable[[int, Sequence[float], float], None]:
    count_rows = _observer(cells, base, BATCH_ROWS)
    count_run = _observer(cells, base, MODEL_SECONDS)
    count_queued = _observer(cells, base, QUEUE_SECONDS)

    def batch(rows: int, queued: Sequence[float], seconds: float) -> None:
        count_rows(rows)
        count_run(seconds)
        for waited in queued:
            count_queued(waited)

    return batch


def _observer(cells: memoryview[float], base: int, meter: Meter) -> Callable[[float], None]:
    buckets, total, bounds = base + meter.start, base + meter.sum_at, meter.bounds

    def observe(value: float) -> None:
        cells[buckets + bisect_left(bounds, value)] += 1.0
        cells[total] += value

    return observe


def _counter(cells: memoryview[float], start: int) -> Callable[[int], None]:
    def count(index: int) -> None:
        cells[start + index] += 1.0

    return count


def _gauges(cells: memoryview[float], rows_at: int, bytes_at: int) -> Callable[[int, int], None]:
    def change(rows: int, size: int) -> None:
        cells[rows_at] += rows
        cells[bytes_at] += size

    return change


def _gauge(cells: memoryview[float], at: int) -> Callable[[int], None]:
    def change(by: int) -> None:
        cells[at] += by

    return change

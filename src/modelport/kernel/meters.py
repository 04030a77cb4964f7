"""What is counted of a model, and where each figure lies in its row of cells. The shared board and the metrics agree here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Protocol

OUTCOMES = ("ok", "invalid", "failed", "shed", "expired", "cancelled", "lost", "not_ready")
OK, INVALID, FAILED, SHED, EXPIRED, CANCELLED, LOST, NOT_READY = range(len(OUTCOMES))

SHED_REASONS = ("queue_full", "deadline")
QUEUE_FULL, TOO_LATE = range(len(SHED_REASONS))

ROLES = ("", "worker", "holder", "supervisor")
"""Kinds of processes. The first is that of a slot which nobody has claimed."""

SECONDS_BOUNDS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
"""From a tenth of a millisecond to 100 s, in steps of at most 2.5."""

ROWS_BOUNDS = tuple(float(2**power) for power in range(12))


@dataclass(frozen=True, slots=True)
class Meter:
    """A histogram's place in the row: one cell per bucket, one for what is above the last bound, one for the sum."""

    start: int
    bounds: tuple[float, ...]

    @property
    def sum_at(self) -> int:
        """The cell that holds the sum of all values."""
        return self.start + len(self.bounds) + 1

    @property
    def end(self) -> int:
        """The first cell behind it."""
        return self.sum_at + 1


REQUESTS_AT = 0
SHED_AT = REQUESTS_AT + len(OUTCOMES)
REQUEST_SECONDS = Meter(SHED_AT + len(SHED_REASONS), SECONDS_BOUNDS)
QUEUE_SECONDS = Meter(REQUEST_SECONDS.end, SECONDS_BOUNDS)
BATCH_ROWS = Meter(QUEUE_SECONDS.end, ROWS_BOUNDS)
MODEL_SECONDS = Meter(BATCH_ROWS.end, SECONDS_BOUNDS)
ITEMS_AT = MODEL_SECONDS.end
CELLS = ITEMS_AT + 1
"""How many cells one process has for one model."""


class Histogram(NamedTuple):
    """Values by bucket; the last bucket has no upper bound."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float

    @property
    def observations(self) -> int:
        """How many values there were."""
        return int(sum(self.counts))

    @property
    def mean(self) -> float | None:
        """None where there was none."""
        return self.total / self.observations if self.observations else None

    def quantile(self, share: float) -> float | None:
        """An estimate, as a straight line through the bucket; above the last bound it is that bound."""
        running = list(accumulate(self.counts))
        if not running[-1]:
            return None
        rank = share * running[-1]
        at = bisect_left(running, rank)
        if at >= len(self.bounds):
            return self.bounds[-1]
        low = self.bounds[at - 1] if at else 0.0
        within = (rank - running[at] + self.counts[at]) / self.counts[at] if self.counts[at] else 0.0
        return low + (self.bounds[at] - low) * within


class ModelReading(NamedTuple):
    """The figures of one model over all processes. `items` are those of streams; `restarts` are those of its holders."""

    requests: tuple[float, ...]
    shed: tuple[float, ...]
    request_seconds: Histogram
    queue_seconds: Histogram
    batch_rows: Histogram
    model_seconds: Histogram
    items: float
    waiting_rows: int
    waiting_bytes: int
    running_batches: int
    restarts: int


class ProcessReading(NamedTuple):
    """One process. `model` is the index of the model that it holds, if it holds one; `started` is monotonic."""

    pid: int
    role: str
    model: int | None
    started: float


class Board(Protocol):
    """Where the figures of all processes are read."""

    def read_model(self, index: int) -> ModelReading:
        """One model, summed over all processes."""

    def processes(self) -> list[ProcessReading]:
        """Everybody who counts."""

    def restarts(self) -> dict[str, int]:
        """How many processes were replaced after they died, by role."""


def reading(
    cells: Sequence[float], waiting_rows: int, waiting_bytes: int, running_batches: int, restarts: int
) -> ModelReading:
    """Read a row of cells."""
    return ModelReading(
        tuple(cells[REQUESTS_AT:SHED_AT]),
        tuple(cells[SHED_AT : REQUEST_SECONDS.start]),
        _histogram(cells, REQUEST_SECONDS),
        _histogram(cells, QUEUE_SECONDS),
        _histogram(cells, BATCH_ROWS),
        _histogram(cells, MODEL_SECONDS),
        cells[ITEMS_AT],
        waiting_rows,
        waiting_bytes,
        running_batches,
        restarts,
    )


def _histogram(cells: Sequence[float], meter: Meter) -> Histogram:
    return Histogram(meter.bounds, tuple(cells[meter.start : meter.sum_at]), cells[meter.sum_at])

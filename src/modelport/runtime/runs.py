"""What runs in one process, kept so that each beginning and end costs the same however much runs beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple


class Run(NamedTuple):
    """A batch: since when, until when it may, the digests of its calls, and their places on the board."""

    since: float
    limit: float
    digests: Sequence[bytes]
    places: list[int]


class Runs:
    """The batches of one process. A thousand coroutines may wait in it at once, so nothing here walks over all of them."""

    def __init__(self, places: int) -> None:
        self._runs: OrderedDict[int, Run] = (
            OrderedDict()
        )  # in the order in which they began; the first is found at once
        self._limits: list[tuple[float, int]] = []  # a heap; of runs that are over, too
        self._all = places
        self._free = list(range(places))  # a heap: low places first, so that readers read little
        self._untold = 0  # digests that found no place

    def begin(self, batch: int, since: float, limit: float, digests: Sequence[bytes]) -> list[int]:
        """A batch runs. Returns the places that its digests, each there once, are to be written to: as many as there are."""
        places = [heappop(self._free) for _ in digests[: len(self._free)]]
        self._untold += len(digests) - len(places)
        self._runs[batch] = Run(since, limit, digests, places)
        self._remember(limit, batch)
        return places

    def _remember(self, limit: float, batch: int) -> None:
        """Where most of the heap is of runs that are over, behind one that goes on and on, it is built anew."""
        if len(self._limits) > 2 * len(self._runs) + 64:
            self._limits = [(run.limit, key) for key, run in self._runs.items()]
            heapify(self._limits)
        else:
            heappush(self._limits, (limit, batch))

    def end(self, batch: int) -> list[int]:
        """It is done. Returns the places that are to be wiped."""
        run = self._runs.pop(batch, None)
        return [] if run is None else self._release(run)

    def shorten(self, batch: int, limit: float) -> list[int]:
        """It may run until then at most, and blames no body. Returns the places that are to be wiped."""
        run = self._runs[batch]
        places = self._release(run)
        self._runs[batch] = Run(run.since, min(run.limit, limit), (), [])
        self._remember(self._runs[batch].limit, batch)
        return places

    def _release(self, run: Run) -> list[int]:
        self._untold -= len(run.digests) - len(run.places)
        for place in run.places:
            heappush(self._free, place)
        return run.places

    @property
    def since(self) -> float:
        """When the oldest of them began; 0 where nothing runs."""
        return next(iter(self._runs.values())).since if self._runs else 0.0

    @property
    def limit(self) -> float:
        """The earliest moment until which one of them may run; 0 where nothing runs."""
        limits, runs = self._limits, self._runs
        if not runs:
            limits.clear()
            return 0.0
        while limits[0][1] not in runs or runs[limits[0][1]].limit != limits[0][0]:
            heappop(limits)
        return limits[0][0]

    @property
    def told(self) -> int:
        """How many places a reader has to look at: all of them where some digest found none, for then not all are known."""
        if self._untold:
            return self._all
        used = self._all - len(self._free)
        return used if used == self._all or self._free[0] == used else self._all - 1

"""What is measured: one sample per start of a server, and the medians over its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from modelport.compare.wrk import LoadResult

MIB = 2**20

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One start of one contestant in one round."""

    contestant: str
    round: int
    first_answer_s: float
    pss_idle_bytes: int
    pss_loaded_bytes: int
    loads: tuple[LoadResult, ...]


@dataclass(frozen=True)
class LoadSummary:
    """Medians over the rounds at one number of connections, and the range of the throughput."""

    requests_per_s: float
    requests_per_s_range: tuple[float, float]
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Summary:
    """Medians over all samples of one contestant."""

    contestant: str
    starts: int
    first_answer_s: float
    pss_idle_mib: float
    pss_loaded_mib: float
    at: dict[int, LoadSummary]


def summarise(samples: Sequence[Sample]) -> dict[str, Summary]:
    """Return one summary per contestant, in order of first appearance."""
    names = dict.fromkeys(sample.contestant for sample in samples)
    return {name: _summary(name, [s for s in samples if s.contestant == name]) for name in names}


def rotated(items: Sequence[T], by: int) -> list[T]:
    """Return the items starting from another one each round, so that nobody always runs after the same neighbour."""
    start = by % len(items)
    return [*items[start:], *items[:start]]


def _summary(name: str, samples: Sequence[Sample]) -> Summary:
    def middle(field: Callable[[Sample], float]) -> float:
        return median(field(sample) for sample in samples)

    loads = [load for sample in samples for load in sample.loads]
    connections = dict.fromkeys(load.connections for load in loads)
    return Summary(
        contestant=name,
        starts=len(samples),
        first_answer_s=middle(lambda s: s.first_answer_s),
        pss_idle_mib=middle(lambda s: s.pss_idle_bytes) / MIB,
        pss_loaded_mib=middle(lambda s: s.pss_loaded_bytes) / MIB,
        at={n: _load_summary([load for load in loads if load.connections == n]) for n in connections},
    )


def _load_summary(loads: Sequence[LoadResult]) -> LoadSummary:
    rates = [load.requests_per_s for load in loads]
    return LoadSummary(
        requests_per_s=median(rates),
        requests_per_s_range=(min(rates), max(rates)),
        p50_ms=median(load.p50_ms for load in loads),
        p99_ms=median(load.p99_ms for load in loads),
    )

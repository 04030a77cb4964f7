"""The numbers of the cases that are no plain load: what each is called, how it is written, and whether more of it is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from modelport.compare.histogram import Histogram
from modelport.compare.intervals import Interval, between_rounds, interval
from modelport.compare.memory import IN_FLIGHT, OPEN, WORKERS
from modelport.compare.results import Observation, Results, Weight

MIB, KIB = 2**20, 2**10
LEAST_BYTES = 100.0
"""What weighs less than this, or nothing, is told as this much: pages are counted whole."""
LEAST_SPREAD = 16
"""From this many connections on, what one of them weighs can be told from what all of them share."""

LEAST_OVERLOAD = 0.1
"""Whoever refuses and loses together less than this part of twice its capacity has a larger one than was measured."""

Form = Callable[[float], str]


@dataclass(frozen=True)
class Figure:
    """One number of a case. `more_is_better` is None where it is told and not judged."""

    case: str
    key: str
    title: str
    form: Form
    more_is_better: bool | None = None
    latency: str = ""
    """Of which latencies it is a percentile."""
    share: float = 0.0
    """Which percentile."""
    weight: str = ""
    """Of what the weight of one more is meant."""


def amount(value: float) -> str:
    """How many, whole where that says enough."""
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def times(value: float) -> str:
    """A factor, with two digits at least."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def per_s(value: float) -> str:
    """Requests in a second."""
    return f"{amount(value)}/s"


def cpu_s(value: float) -> str:
    """Seconds of a processor."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def percent(value: float) -> str:
    """A share; what is next to none may be none, which is kept as half a request."""
    if 0 < value < 0.001:
        return "< 0.1%"
    return f"{value:.1%}" if 0 < value < 0.01 or 0.99 < value < 1 else f"{value:.0%}"


def milliseconds(value: float) -> str:
    """With three digits, or all of those before the point."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def mib(value: float) -> str:
    """Bytes, in MiB."""
    return f"{value / MIB:,.0f} MiB" if value >= 10 * MIB else f"{value / MIB:.1f} MiB"


def kib(value: float) -> str:
    """Bytes, in KiB."""
    return f"≤ {LEAST_BYTES / KIB:.1f} KiB" if value <= LEAST_BYTES else f"{value / KIB:,.1f} KiB"


def _percentile(case: str, latency: str, share: float, title: str, *, judged: bool = True) -> Figure:
    better = False if judged else None
    return Figure(case, f"{latency} p{share * 100:g}", title, milliseconds, better, latency=latency, share=share)


FIGURES = (
    Figure("invalid", "refused_per_s", "refused in a second", per_s, more_is_better=True),
    Figure("invalid", "refused", "answered with 4xx", percent, more_is_better=True),
    Figure("invalid", "faults", "with 5xx", percent),
    Figure("invalid", "accepted", "with 2xx", percent),
    Figure("invalid", "silent", "not at all", percent),
    Figure("invalid", "cpu_s_per_1000", "CPU seconds per 1,000", "{:.3g}".format, more_is_better=False),
    _percentile("slow-clients", "alone", 0.99, "p99 alone", judged=False),
    _percentile("slow-clients", "beside", 0.5, "p50 beside them"),
    _percentile("slow-clients", "beside", 0.95, "p95 beside them"),
    _percentile("slow-clients", "beside", 0.99, "p99 beside them"),
    Figure("slow-clients", "answered", "requests of the others answered", percent, more_is_better=True),
    Figure("slow-clients", "slow_cut", "slow clients cut off", "{:.0f}".format),
    Figure("overload", "good_per_s", "right answers in time, in a second", per_s, more_is_better=True),
    Figure("overload", "good_share", "of its capacity", percent, more_is_better=True),
    _percentile("overload", "good", 0.5, "p50 of the right answers"),
    _percentile("overload", "good", 0.95, "p95 of the right answers"),
    Figure("overload", "refused", "refused", percent),
    _percentile("overload", "refused", 0.95, "p95 of refusals", judged=False),
    Figure("overload", "lost", "neither answered in time nor refused", percent),
    Figure("leaving-clients", "alone_per_s", "answers in a second, alone", per_s),
    Figure("leaving-clients", "beside_per_s", "beside them", per_s, more_is_better=True),
    Figure("leaving-clients", "runs_per_answer", "runs of the model per answer", "{:.2f}".format, more_is_better=False),
    Figure("leaving-clients", "computed_for_nobody", "computed for those who had left", percent),
    Figure("memory", "per_worker", "one more worker", mib, more_is_better=False, weight=WORKERS),
    Figure("memory", "per_connection", "one open connection", kib, more_is_better=False, weight=OPEN),
    Figure("memory", "per_request", "one request in flight", kib, more_is_better=False, weight=IN_FLIGHT),
)


def figures_of(case: str) -> list[Figure]:
    """Those of a case, as they stand in its table."""
    return [figure for figure in FIGURES if figure.case == case]


def observed(results: Results, contestant: str, case: str) -> list[Observation]:
    """The observations that show what their case is about: not those of an overload that was none."""
    return [o for o in results.observed(contestant, case) if not is_no_overload(o)]


def is_no_overload(observation: Observation) -> bool:
    """Whether twice the capacity was not too much, so that the capacity before it was measured too low."""
    unanswered = observation.values.get("refused", 0.0) + observation.values.get("lost", 0.0)
    return observation.case == "overload" and unanswered < LEAST_OVERLOAD


def by_round(results: Results, figure: Figure, contestant: str) -> dict[int, float]:
    """Its value in each round; latencies in milliseconds, weights in bytes. Rounds that do not bear it are left out."""
    if figure.weight:
        return _weights_by_round(results, figure.weight, contestant)
    found = {}
    for observation in observed(results, contestant, figure.case):
        value = _value(observation, figure)
        if value is not None:
            found[observation.round] = value
    return found


def borne_in_each(results: Results, figure: Figure, contestant: str) -> bool:
    """Whether every round that was measured bears it; numbers that are no percentiles always are."""
    seen = observed(results, contestant, figure.case)
    return not figure.latency or len(by_round(results, figure, contestant)) == len({one.round for one in seen})


def told(results: Results, figure: Figure, contestant: str) -> Interval | None:
    """One number for all rounds. A percentile is of all their answers; shares that are none at times have a plain mean."""
    if figure.latency:
        seen = observed(results, contestant, figure.case)
        pooled = _pooled(seen, figure)
        return None if pooled is None else between_rounds(pooled, [_pooled([one], figure) for one in seen])
    values = list(by_round(results, figure, contestant).values())
    spread = interval(values)
    if spread is None and values:
        return Interval(fmean(values), None, None, len(values))
    return spread


def levels(results: Results, contestant: str, what: str) -> list[tuple[int, float, float]]:
    """Means over the rounds: how many were asked for, how many were held, and the memory in bytes."""
    found = [w for w in results.weights if w.contestant == contestant and w.what == what]
    counts = sorted({w.count for w in found})
    return [
        (
            count,
            fmean(w.held for w in found if w.count == count),
            fmean(w.pss_bytes for w in found if w.count == count),
        )
        for count in counts
    ]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The line of the least squares: how much the second grows with the first."""
    middle, level = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - level) for x, y in points) / spread


def _value(observation: Observation, figure: Figure) -> float | None:
    if not figure.latency:
        return observation.values.get(figure.key)
    return _pooled([observation], figure)


def _pooled(observations: Sequence[Observation], figure: Figure) -> float | None:
    together = Histogram()
    for observation in observations:
        together = together.merged(Histogram(observation.latencies.get(figure.latency, ())))
    seconds = together.percentile(figure.share) if together.total else None
    return None if seconds is None else seconds * 1000


def _weights_by_round(results: Results, what: str, contestant: str) -> dict[int, float]:
    mine = [w for w in results.weights if w.contestant == contestant and w.what == what]
    return {number: weight for number in sorted({w.round for w in mine}) for weight in _weight_of_one(mine, number)}


def _weight_of_one(weights: Sequence[Weight], number: int) -> Iterator[float]:
    """Nothing where too few were held to tell."""
    points = [(float(w.held), float(w.pss_bytes)) for w in weights if w.round == number]
    spread = max(held for held, _ in points) - min(held for held, _ in points)
    if spread >= (1 if weights[0].what == WORKERS else LEAST_SPREAD):
        yield max(slope(points), LEAST_BYTES)

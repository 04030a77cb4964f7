"""What the samples say of each contestant: means over rounds with their intervals, and percentiles of all answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from modelport.compare.cases import LOAD, PREDICT
from modelport.compare.figures import amount, borne_in_each, by_round, cpu_s, figures_of, milliseconds, per_s
from modelport.compare.histogram import Histogram
from modelport.compare.intervals import Interval, between_rounds, interval, paired_ratio
from modelport.compare.results import Measurement, Results, Start

MIB = 2**20
SHARES = (0.5, 0.95, 0.99, 0.999)
SLEEPING = ("wait", "hold-gil", "release-gil")
MODEL_S = 0.05
"""What the functions of `tasks.py` take that stand for a model."""
LATE_SHARE = 0.1
"""A generator whose own lateness is more than this part of the latency, in half of the rounds, has measured itself."""
BUSY_GENERATOR = 0.9
"""A generator that computes for a larger part of its time has nothing more to give: the server may be faster."""


@dataclass(frozen=True)
class Capacity:
    """What one contestant can do in one case, as fast as it goes; at least that where it is `bounded` by the generator."""

    contestant: str
    per_s: Interval
    cpu_s_per_1000: float
    errors: int
    pss_bytes: float
    answers: int
    bounded: bool


@dataclass(frozen=True)
class Latency:
    """What one contestant takes at one arrival rate; percentiles in seconds, None where the samples do not bear them.

    `spans` are the same with the lowest and the highest of the rounds, where each round alone bears them.
    """

    contestant: str
    rate: float
    percentiles: tuple[float | None, ...]
    spans: tuple[Interval | None, ...]
    requests: int
    errors: int
    late: bool

    @property
    def tail(self) -> tuple[float, float] | None:
        """The highest percentile up to p99 that the samples bear: its share and the latency."""
        told = [(share, found) for share, found in zip(SHARES[:3], self.percentiles, strict=False) if found is not None]
        return told[-1] if told else None


@dataclass(frozen=True)
class Contest:
    """One number of ours beside the same of another: the ratio is above 1 where ours is better."""

    what: str
    other: str
    ratio: Interval
    ours: str
    theirs: str

    @property
    def word(self) -> str:
        """won, lost, or no difference that can be shown; of a single round its value decides."""
        if self.ratio.low is None or self.ratio.high is None:
            return "even" if self.ratio.value == 1 else "ahead" if self.ratio.value > 1 else "behind"
        if self.ratio.low > 1:
            return "won"
        return "lost" if self.ratio.high < 1 else "even"


def names(results: Results) -> list[str]:
    """Contestants of whom anything was measured, as they stand in the line-up."""
    samples = (results.starts, results.measurements, results.observations, results.weights)
    measured = {sample.contestant for kind in samples for sample in kind}
    return [c["name"] for c in results.contestants if c["name"] in measured]


def capacities(results: Results, case: str) -> list[Capacity]:
    """Everybody's, the highest first."""
    found = []
    for name in names(results):
        samples = results.of(name, case, open_loop=False)
        speed = interval([m.per_s for m in samples])
        if speed is not None:
            answers, cpu = sum(m.answers for m in samples), sum(m.cpu_s for m in samples)
            errors, pss = sum(m.errors for m in samples), fmean(m.pss_bytes for m in samples)
            each = 1000 * cpu / max(answers, 1)
            found.append(Capacity(name, speed, each, errors, pss, answers, is_bounded(samples)))
    return sorted(found, key=lambda c: -c.per_s.value)


def is_bounded(samples: Sequence[Measurement]) -> bool:
    """Whether the load generator itself had nothing more to give in one of these."""
    return any((m.generator_busy or 0) > BUSY_GENERATOR for m in samples)


def latencies(results: Results, case: str) -> dict[str, list[Latency]]:
    """By contestant, from the lowest rate to the highest."""
    return {
        name: [
            _latency(name, rate, [m for m in results.of(name, case, open_loop=True) if m.rate == rate])
            for rate in sorted({m.rate for m in results.of(name, case, open_loop=True) if m.rate is not None})
        ]
        for name in names(results)
    }


def start_s(results: Results, name: str) -> Interval | None:
    """Seconds to the first right answer."""
    return interval([s.first_answer_s for s in results.starts if s.contestant == name])


def idle_bytes(results: Results, name: str) -> Interval | None:
    """Memory after the first answer."""
    return interval([float(s.pss_idle_bytes) for s in results.starts if s.contestant == name])


def loaded_bytes(results: Results, name: str) -> Interval | None:
    """Memory after each load of the model itself: what serves the other cases is another application."""
    cases = {case["name"] for case in results.cases if case["app"] == PREDICT}
    return interval([float(m.pss_bytes) for m in results.measurements if m.contestant == name and m.case in cases])


def contests(results: Results, ours: str) -> list[Contest]:
    """Every number in which we can be better or worse than another."""
    others = [name for name in names(results) if name != ours and not results.is_ours(name)]
    found = []
    for case in results.cases:
        compared = _of_case if case["kind"] == LOAD else _of_figures
        for other in others:
            found += compared(results, case, ours, other)
    for other in others:
        found += _of_start(results, ours, other)
    return found


def utilisation(results: Results) -> float | None:
    """The share of its cores that the busiest contestant had: well below 1, somebody else was computing there.

    Cases whose function sleeps say nothing of that.
    """
    cores = len(results.about["plan"]["cores"]["server"])
    shares = [m.cpu_s / m.seconds / cores for m in results.measurements if m.rate is None and m.case not in SLEEPING]
    return max(shares, default=None)


def at_once(results: Results, name: str) -> float | None:
    """How many requests a contestant works on at the same time, seen from outside: by a model that takes 50 ms and no processor."""
    alone = next(figure for figure in figures_of("leaving-clients") if figure.key == "alone_per_s")
    found = [m.per_s for m in results.of(name, "release-gil", open_loop=False)]
    found += by_round(results, alone, name).values()
    return fmean(found) * MODEL_S if found else None


def _latency(name: str, rate: float, samples: Sequence[Measurement]) -> Latency:
    rounds = [sample.histogram for sample in samples]
    pooled = Histogram()
    for one in rounds:
        pooled = pooled.merged(one)
    told = tuple(pooled.percentile(share) for share in SHARES)
    spans = tuple(
        None if value is None else between_rounds(value, [one.percentile(share) for one in rounds])
        for value, share in zip(told, SHARES, strict=True)
    )
    lag = median([m.lag_s for m in samples if m.lag_s is not None] or [0.0])
    middle = told[0]
    late = middle is not None and lag > LATE_SHARE * middle and lag > 0.001
    return Latency(name, rate, told, spans, pooled.total, sum(m.errors for m in samples), late)


def _of_case(results: Results, case: dict[str, object], ours: str, other: str) -> list[Contest]:
    name, title = str(case["name"]), str(case["title"])
    closed = [results.of(who, name, open_loop=False) for who in (ours, other)]
    found = []
    for what, read, form, more_is_better in CLOSED_LOOP:
        mine, theirs = (_by_round(samples, read) for samples in closed)
        found += _contest(f"{what}, {title}", mine, theirs, other, form, more_is_better=more_is_better)
    for rate in sorted({m.rate for m in results.of(ours, name, open_loop=True) if m.rate is not None}):
        for share in SHARES[:3]:
            mine, theirs = (_percentiles(results, who, name, rate, share) for who in (ours, other))
            what = f"p{share * 100:g} at {amount(rate)} requests/s, {title}"
            if all((*mine.values(), *theirs.values())):
                found += _contest(what, mine, theirs, other, milliseconds, more_is_better=False)
    return found


def _of_figures(results: Results, case: dict[str, object], ours: str, other: str) -> list[Contest]:
    found = []
    for figure in figures_of(str(case["name"])):
        if figure.more_is_better is not None and all(borne_in_each(results, figure, who) for who in (ours, other)):
            mine, theirs = (by_round(results, figure, who) for who in (ours, other))
            what = f"{case['title']}: {figure.title}"
            found += _contest(what, mine, theirs, other, figure.form, more_is_better=figure.more_is_better)
    return found


def _percentiles(results: Results, who: str, case: str, rate: float, share: float) -> dict[int, float]:
    """By round, in milliseconds; 0 where the samples do not bear it."""
    samples = [m for m in results.of(who, case, open_loop=True) if m.rate == rate]
    return _by_round(samples, lambda m: 1000 * (m.histogram.percentile(share) or 0))


def _of_start(results: Results, ours: str, other: str) -> list[Contest]:
    found = []
    mine = {s.round: s for s in results.starts if s.contestant == ours}
    theirs = {s.round: s for s in results.starts if s.contestant == other}
    for what, read, form in (
        ("first answer after the start", _first_answer_s, "{:.2f} s".format),
        ("memory after the start", _idle_mib, "{:,.0f} MiB".format),
    ):
        left, right = ({n: read(s) for n, s in side.items()} for side in (mine, theirs))
        found += _contest(what, left, right, other, form, more_is_better=False)
    return found


def _first_answer_s(start: Start) -> float:
    return start.first_answer_s


def _idle_mib(start: Start) -> float:
    return start.pss_idle_bytes / MIB


def _by_round(samples: Sequence[Measurement], read: Callable[[Measurement], float]) -> dict[int, float]:
    return {m.round: read(m) for m in samples}


def _right_per_s(measured: Measurement) -> float:
    return measured.per_s


def _cpu_s_per_1000(measured: Measurement) -> float:
    """0, which is compared with nothing, where there was no answer."""
    return 1000 * measured.cpu_s / measured.answers if measured.answers else 0.0


def _loaded_mib(measured: Measurement) -> float:
    return measured.pss_bytes / MIB


CLOSED_LOOP: tuple[tuple[str, Callable[[Measurement], float], Callable[[float], str], bool], ...] = (
    ("requests per second", _right_per_s, per_s, True),
    ("CPU seconds per 1,000 requests", _cpu_s_per_1000, cpu_s, False),
    ("memory under load", _loaded_mib, "{:,.0f} MiB".format, False),
)
"""The numbers of a closed loop that are judged: name, what it is of a round, how it is written, whether more is better."""


def _contest(
    what: str,
    ours: dict[int, float],
    theirs: dict[int, float],
    other: str,
    form: Callable[[float], str],
    *,
    more_is_better: bool,
) -> list[Contest]:
    """None where no round has both."""
    rounds = [n for n in sorted(ours.keys() & theirs.keys()) if ours[n] > 0 and theirs[n] > 0]
    left, right = [ours[n] for n in rounds], [theirs[n] for n in rounds]
    ratio = paired_ratio(left, right) if more_is_better else paired_ratio(right, left)
    if ratio is None:
        return []
    one, another = interval(left), interval(right)
    assert one is not None
    assert another is not None
    return [Contest(what, other, ratio, form(one.value), form(another.value))]

"""What is commonly claimed about these frameworks, beside what was measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from modelport.compare.figures import FIGURES, amount, by_round, kib, levels, milliseconds, times, told
from modelport.compare.findings import idle_bytes, latencies
from modelport.compare.intervals import Interval, paired_ratio
from modelport.compare.memory import IN_FLIGHT, WORKERS
from modelport.compare.results import Results

MIB = 2**20
WAIT_S, AT_ONCE = 0.05, 1.2
"""What the case `wait` takes, and up to how many at once count as one."""
MUCH = 2.0
"""From this factor on, much faster is a fair word."""
LINE, ABOUT = 1.3, 2.0
"""How much two steps may differ and still be a line, and what is about as much as something."""
HOLDS, FAILS, DEPENDS = "holds", "does not hold", "depends"
UNSURE, UNKNOWN = "cannot be told from this run", "not measured"


@dataclass(frozen=True)
class Checked:
    """A claim, what became of it here, and the numbers."""

    claim: str
    word: str
    found: str


def checked(results: Results) -> list[Checked]:
    """Every claim; those whose contestants or cases did not take part are told, too."""
    return [check(results) for check in CHECKS]


def _much_faster(results: Results) -> Checked:
    claim = "FastAPI is much faster than Flask"
    compared = _ratios(results, "fastapi", "flask", beside=", beside Flask")
    compared += _ratios(results, "fastapi", "flask-typed", beside=", beside Flask with Pydantic")
    if not compared:
        return _missing(claim, "fastapi, flask")
    found = (
        f"Requests per second of FastAPI with def over Flask's, both with {_slots(results)} slots: {_listed(compared)}."
    )
    return Checked(claim, _joined([_size(ratio) for _, ratio in compared]), found)


def _overhead(results: Results) -> Checked:
    claim = "FastAPI adds 1 ms to a request, Flask 5 to 10 ms"
    points = latencies(results, "one-row") if _has_case(results, "one-row") else {}
    firsts = [points[name][0] for name in ("fastapi", "flask") if points.get(name)]
    if len(firsts) < 2 or firsts[0].rate != firsts[1].rate:
        return _missing(claim, "fastapi, flask; case one-row")
    fastapi, flask = (first.percentiles[0] for first in firsts)
    if fastapi is None or flask is None:
        return _missing(claim, "fastapi, flask; case one-row, in which more requests arrive")
    gap_ms = (flask - fastapi) * 1000
    found = (
        f"With the model's own time in both, and {amount(firsts[0].rate)} requests a second, half of the answers came within "
        f"{milliseconds(fastapi * 1000)} from FastAPI and {milliseconds(flask * 1000)} from Flask: {abs(gap_ms):.2g} ms "
        f"{'more' if gap_ms > 0 else 'less'}."
    )
    late = any(first.late for first in firsts)
    return Checked(claim, UNSURE if late else HOLDS if gap_ms >= 4 else FAILS, found)


def _worker_memory(results: Results) -> Checked:
    claim = "A worker costs 2 MB"
    each = _per_worker(results)
    if each is None:
        return _missing(claim, "flask-naive; case memory, or flask beside it")
    found = f"{each:,.0f} MiB for each further worker of Gunicorn: every one loads libraries and model again."
    return Checked(claim, HOLDS if each < 4 else FAILS, found)


def _linear_memory(results: Results) -> Checked:
    claim = "Adding workers scales memory linearly"
    found = [(count, pss / MIB) for count, _, pss in levels(results, "flask-naive", WORKERS)]
    if len(found) < 3:
        return _missing(claim, "flask-naive; case memory")
    steps = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(found)]
    numbers = ", ".join(f"{pss:,.0f} MiB with {count}" for count, pss in found)
    share = fmean(steps) / found[0][1]
    is_line = min(steps) > 0 and max(steps) <= LINE * min(steps)
    word = HOLDS if is_line and share > 0.5 else DEPENDS if is_line else FAILS
    shape = "a line" if is_line else "no line"
    return Checked(
        claim,
        word,
        f"Workers of Gunicorn: {numbers}. That is {shape}; each further one takes {share:.0%} of the first.",
    )


def _request_memory(results: Results) -> Checked:
    claim = "Asynchronous code takes about 10 KB for a request in flight"
    figure = next(f for f in FIGURES if f.weight == IN_FLIGHT)
    asynchronous, worker = told(results, figure, "fastapi-async"), _per_worker(results)
    if asynchronous is None or worker is None:
        return _missing(claim, "fastapi-async, flask-naive; case memory")
    threads = told(results, figure, "flask-threads")
    beside = "" if threads is None else f", Flask with threads {kib(threads.value)}, most of them in a queue"
    found = (
        f"FastAPI with async def: {kib(asynchronous.value)} for each request that waits for an upstream{beside}; a further worker "
        f"of Gunicorn: {worker:,.0f} MiB."
    )
    return Checked(claim, HOLDS if asynchronous.value <= ABOUT * 10_000 else FAILS, found)


def _greenlets(results: Results) -> Checked:
    claim = "Flask can be faster with greenlets"
    compared = _ratios(results, "flask-gevent", "flask-threads")
    if not compared:
        return _missing(claim, "flask-gevent, flask-threads")
    words = {_above_one(ratio) for _, ratio in compared}
    slots = _slots(results)
    found = (
        f"Requests per second of {slots} greenlets over those of {slots} threads: {_listed(compared)}. Hundreds of greenlets, "
        "which is what they are for, are other slots than those of the others, and were not measured."
    )
    return Checked(claim, HOLDS if HOLDS in words else UNSURE if UNSURE in words else FAILS, found)


def _validation(results: Results) -> Checked:
    claim = "Validation is what makes the typed framework slower"
    compared = []
    for name in ("flask-typed", "flask-restx"):
        ratio = _capacity_ratio(results, "one-row", name, "flask-threads")
        if ratio is not None:
            compared.append((results.title(name), ratio))
    if not compared:
        return _missing(claim, "flask-threads and flask-typed or flask-restx; case one-row")
    word = _joined([_above_one(_turned(ratio)) for _, ratio in compared])
    return Checked(claim, word, f"Requests per second over those of Flask without validation: {_listed(compared)}.")


def _async_faster(results: Results) -> Checked:
    claim = "async def is faster than def"
    compared = _ratios(results, "fastapi-async", "fastapi")
    if not compared:
        return _missing(claim, "fastapi-async, fastapi")
    found = (
        f"Requests per second of FastAPI with async def over those with def and {_slots(results)} threads: {_listed(compared)}. "
        "While async def computes, the loop answers nobody else."
    )
    return Checked(claim, _joined([_above_one(ratio) for _, ratio in compared]), found)


def _one_at_a_time(results: Results) -> Checked:
    claim = "Flask takes one request at a time"
    counts = {name: _at_once(results, name) for name in ("flask-naive", "flask-threads", "flask-gevent", "flask")}
    known = {name: count for name, count in counts.items() if count is not None}
    if "flask-naive" not in known or len(known) < 2:
        return _missing(claim, "flask-naive and flask, flask-threads or flask-gevent; case wait or leaving-clients")
    numbers = "; ".join(f"{results.title(name)}: {count:.1f}" for name, count in known.items())
    word = (
        DEPENDS
        if max(known.values()) > AT_ONCE >= known["flask-naive"]
        else HOLDS
        if known["flask-naive"] <= AT_ONCE
        else FAILS
    )
    return Checked(
        claim, word, f"Requests that wait at the same time, from requests per second of 50 ms each: {numbers}."
    )


def _at_once(results: Results, name: str) -> float | None:
    """How many requests of 50 ms are answered at the same time."""
    waiting = [m.per_s for m in results.of(name, "wait", open_loop=False) if m.answers]
    alone = next(f for f in FIGURES if f.key == "alone_per_s")
    found = waiting or list(by_round(results, alone, name).values())
    return fmean(found) * WAIT_S if found else None


def _async_waits(results: Results) -> Checked:
    claim = "Asynchronous code is what makes waiting cheap"
    compared = []
    for name in ("fastapi", "fastapi-naive"):
        ratio = _capacity_ratio(results, "wait", "fastapi-async", name)
        if ratio is not None:
            compared.append((f"with {_stated(results, name)} threads", ratio))
    if not compared:
        return _missing(claim, "fastapi-async; fastapi or fastapi-naive with an answer; case wait")
    found = (
        "While an upstream takes 50 ms, FastAPI with async def answers so many times the requests per second of def: "
        f"{_listed(compared)}."
    )
    return Checked(claim, _joined([_size(ratio) for _, ratio in compared]), found)


CHECKS: tuple[Callable[[Results], Checked], ...] = (
    _much_faster,
    _overhead,
    _worker_memory,
    _request_memory,
    _linear_memory,
    _greenlets,
    _validation,
    _async_faster,
    _one_at_a_time,
    _async_waits,
)


def _missing(claim: str, needed: str) -> Checked:
    return Checked(claim, UNKNOWN, f"needs {needed}")


def _has_case(results: Results, name: str) -> bool:
    return any(case["name"] == name for case in results.cases)


def _capacity_ratio(results: Results, case: str, one: str, other: str) -> Interval | None:
    """Of the rounds in which both answered at all: of none, nothing follows but that the load was too short."""
    left = {m.round: m.per_s for m in results.of(one, case, open_loop=False) if m.answers}
    right = {m.round: m.per_s for m in results.of(other, case, open_loop=False) if m.answers}
    rounds = sorted(left.keys() & right.keys())
    return paired_ratio([left[n] for n in rounds], [right[n] for n in rounds])


def _ratios(results: Results, one: str, other: str, beside: str = "") -> list[tuple[str, Interval]]:
    """In every case that both have, by its title."""
    found = []
    for case in results.cases:
        ratio = _capacity_ratio(results, str(case["name"]), one, other)
        if ratio is not None:
            found.append((f"{case['title']}{beside}", ratio))
    return found


def _listed(compared: Sequence[tuple[str, Interval]]) -> str:
    return "; ".join(f"{what}: {_ratio(ratio)}" for what, ratio in compared)


def _joined(words: Sequence[str]) -> str:
    """One word for several: it depends where some show it and some the contrary."""
    if len(set(words)) == 1:
        return words[0]
    return DEPENDS if {HOLDS, FAILS} <= set(words) else UNSURE


def _slots(results: Results) -> int:
    return int(results.about["plan"]["slots"])


def _stated(results: Results, name: str) -> str:
    """How many requests a contestant says it works on at once."""
    return next(str(c["slots"]).partition(":")[0] for c in results.contestants if c["name"] == name)


def _size(ratio: Interval) -> str:
    """Whether a ratio is a large one; of a single round its value decides."""
    low, high = ratio.low or ratio.value, ratio.high or ratio.value
    return HOLDS if low >= MUCH else FAILS if high < MUCH else UNSURE


def _above_one(ratio: Interval) -> str:
    """Whether it is faster; of a single round its value decides."""
    low, high = ratio.low or ratio.value, ratio.high or ratio.value
    return HOLDS if low > 1 else FAILS if high < 1 else UNSURE


def _turned(ratio: Interval) -> Interval:
    """The other way round."""
    low, high = (None if edge is None else 1 / edge for edge in (ratio.high, ratio.low))
    return Interval(1 / ratio.value, low, high, ratio.rounds)


def _ratio(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{times(ratio.value)} times"
    return f"{times(ratio.value)} times ({times(ratio.low)} to {times(ratio.high)})"


def _per_worker(results: Results) -> float | None:
    """MiB that each worker beyond the first takes."""
    weighed = told(results, next(f for f in FIGURES if f.weight == WORKERS), "flask-naive")
    if weighed is not None:
        return weighed.value / MIB
    one, many = idle_bytes(results, "flask-naive"), idle_bytes(results, "flask")
    workers = _slots(results)
    if one is None or many is None or workers < 2:
        return None
    return (many.value - one.value) / (workers - 1) / MIB

"""What is commonly claimed about these frameworks, beside what was measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from modelport.compare.figures import FIGURES, by_round, kib, levels, told
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
    told = [
        (ratio, str(case["title"]))
        for case in results.cases
        if (ratio := _capacity_ratio(results, str(case["name"]), "fastapi", "flask")) is not None
    ]
    if not told:
        return _missing(claim, "fastapi, flask")
    words = {_size(ratio) for ratio, _ in told}
    numbers = "; ".join(f"{title}: {_ratio(ratio)} the requests per second" for ratio, title in told)
    word = words.pop() if len(words) == 1 else DEPENDS if UNSURE not in words else UNSURE
    return Checked(claim, word, f"FastAPI beside Flask with the same slots: {numbers}.")


def _overhead(results: Results) -> Checked:
    claim = "FastAPI adds 1 ms to a request, Flask 5 to 10 ms"
    medians = {}
    for name in ("fastapi", "flask"):
        points = latencies(results, "one-row").get(name, []) if _has_case(results, "one-row") else []
        if points and points[0].percentiles[0] is not None:
            medians[name] = points[0].percentiles[0] * 1000
    if len(medians) < 2:
        return _missing(claim, "fastapi, flask; case one-row")
    gap = medians["flask"] - medians["fastapi"]
    found = (
        f"With the model's own time in both, half of the answers came within {medians['fastapi']:.3g} ms from FastAPI and "
        f"{medians['flask']:.3g} ms from Flask: {abs(gap):.2g} ms {'more' if gap > 0 else 'less'}."
    )
    return Checked(claim, HOLDS if gap >= 4 else FAILS, found)


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
    ratio = _capacity_ratio(results, "one-row", "flask-gevent", "flask-threads")
    if ratio is None:
        return _missing(claim, "flask-gevent, flask-threads; case one-row")
    word = HOLDS if ratio.low is not None and ratio.low > 1 else FAILS
    return Checked(
        claim, word, f"With gevent {_ratio(ratio)} the requests per second of threads; nothing waits in this case."
    )


def _validation(results: Results) -> Checked:
    claim = "Validation is what makes the typed framework slower"
    told = []
    for name in ("flask-typed", "flask-restx"):
        ratio = _capacity_ratio(results, "one-row", name, "flask-threads")
        if ratio is not None:
            told.append((name, ratio))
    if not told:
        return _missing(claim, "flask-threads and flask-typed or flask-restx; case one-row")
    words = {_above_one(Interval(1 / r.value, _inverse(r.high), _inverse(r.low), r.rounds)) for _, r in told}
    word = words.pop() if len(words) == 1 else DEPENDS if UNSURE not in words else UNSURE
    numbers = "; ".join(f"{results.title(name)}: {_ratio(ratio)}" for name, ratio in told)
    return Checked(claim, word, f"Requests per second, beside Flask without validation: {numbers}.")


def _async_faster(results: Results) -> Checked:
    claim = "async def is faster than def"
    ratio = _capacity_ratio(results, "one-row", "fastapi-async", "fastapi")
    if ratio is None:
        return _missing(claim, "fastapi-async, fastapi; case one-row")
    word = HOLDS if ratio.low is not None and ratio.low > 1 else FAILS
    found = (
        f"{_ratio(ratio)} the requests per second: no thread is changed, and meanwhile the loop answers nobody else."
    )
    return Checked(claim, word, found)


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
    ratio = _capacity_ratio(results, "wait", "fastapi-async", "fastapi")
    if ratio is None:
        return _missing(claim, "fastapi-async, fastapi; case wait")
    slots = results.about["plan"]["slots"]
    found = f"async def answers {_ratio(ratio)} the requests per second of def with {slots} threads, while an upstream takes 50 ms."
    return Checked(claim, _size(ratio), found)


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
    left = {m.round: m.per_s for m in results.of(one, case, open_loop=False)}
    right = {m.round: m.per_s for m in results.of(other, case, open_loop=False)}
    rounds = sorted(left.keys() & right.keys())
    return paired_ratio([left[n] for n in rounds], [right[n] for n in rounds])


def _size(ratio: Interval) -> str:
    """Whether a ratio is a large one; of a single round its value decides."""
    low, high = ratio.low or ratio.value, ratio.high or ratio.value
    return HOLDS if low >= MUCH else FAILS if high < MUCH else UNSURE


def _above_one(ratio: Interval) -> str:
    """Whether it is faster; of a single round its value decides."""
    low, high = ratio.low or ratio.value, ratio.high or ratio.value
    return HOLDS if low > 1 else FAILS if high < 1 else UNSURE


def _inverse(edge: float | None) -> float | None:
    return None if edge is None else 1 / edge


def _ratio(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f} times"
    return f"{ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"


def _per_worker(results: Results) -> float | None:
    """MiB that each worker beyond the first takes."""
    weighed = told(results, next(f for f in FIGURES if f.weight == WORKERS), "flask-naive")
    if weighed is not None:
        return weighed.value / MIB
    one, many = idle_bytes(results, "flask-naive"), idle_bytes(results, "flask")
    workers = int(results.about["plan"]["slots"])
    if one is None or many is None or workers < 2:
        return None
    return (many.value - one.value) / (workers - 1) / MIB

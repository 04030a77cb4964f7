"""The cases that are no plain load: their numbers, who is better in them, and what the report says."""

from __future__ import annotations

import dataclasses

import pytest

from modelport.compare.baseline import changes
from modelport.compare.cases import CASES, LOAD, MEMORY, START
from modelport.compare.claims import DEPENDS, FAILS, HOLDS, checked
from modelport.compare.figure_sections import MAIN
from modelport.compare.figures import FIGURES, by_round, figures_of, told
from modelport.compare.findings import contests
from modelport.compare.report import render
from modelport.compare.results import Results, Weight
from modelport.compare.verdict import losses, sentences
from tests.compare.fixed import MIB, case, everything, hardships, latencies, results, weights

FIRST_IS_WORST = {"modelport": [100.0, 101, 99], "fastapi": [100.0, 101, 99], "flask-naive": [100.0, 101, 99]}
FIRST_IS_BEST = dict(reversed(FIRST_IS_WORST.items()))


def value(run: Results, key: str, name: str) -> float | None:
    """What is told of it."""
    found = told(run, next(f for f in FIGURES if f.key == key), name)
    return None if found is None else found.value


def word(run: Results, claim: str) -> str:
    """What became of the claim that begins so."""
    return next(c.word for c in checked(run) if c.claim.startswith(claim))


def test_each_case_that_is_no_load_has_numbers_of_which_one_is_judged() -> None:
    for each in CASES:
        judged = [f for f in figures_of(each.name) if f.more_is_better is not None]
        assert bool(judged) == (each.kind not in (LOAD, START)), each.name
    plotted = {each.name for each in CASES if each.kind not in (LOAD, START, MEMORY)}
    assert set(MAIN) == plotted
    assert all(any(f.key == key for f in figures_of(name)) for name, keys in MAIN.items() for key in keys)


def test_every_number_of_the_cases_is_told_where_it_was_measured() -> None:
    run = everything(FIRST_IS_WORST)
    assert [f.key for f in FIGURES if told(run, f, "modelport") is None] == []


def test_the_weight_of_one_request_is_the_slope_over_all_levels() -> None:
    run = results({"flask": [1.0, 1.0]})
    run.weights = [w for n in (0, 1) for w in weights("flask", n, workers=7 * MIB, opened=4096, held=20480)]
    assert value(run, "per_worker", "flask") == pytest.approx(7 * MIB)
    assert value(run, "per_connection", "flask") == pytest.approx(4096)
    assert value(run, "per_request", "flask") == pytest.approx(20480)


def test_what_a_request_weighs_is_not_told_where_hardly_any_was_taken_in() -> None:
    run = results({"flask": [1.0]})
    run.weights = [Weight("flask", 0, "in flight", count, min(count, 4), 50 * MIB + count) for count in (0, 64, 1024)]
    assert value(run, "per_request", "flask") is None


def test_a_server_that_gets_lighter_weighs_next_to_nothing_and_not_less() -> None:
    run = results({"flask": [1.0]})
    run.weights = weights("flask", 0, workers=MIB, opened=-100, held=-100)
    assert value(run, "per_request", "flask") == pytest.approx(100)
    assert next(f for f in FIGURES if f.key == "per_request").form(100.0) == "≤ 0.1 KiB"


@pytest.mark.parametrize(("answers", "is_told"), [(300, False), (400, True)])
def test_a_percentile_of_all_rounds_is_told_where_their_answers_bear_it(answers: int, is_told: bool) -> None:
    run = everything({"modelport": [1.0, 1.0, 1.0]})
    took = {"beside": latencies(0.003, answers), "alone": []}
    run.observations = [
        dataclasses.replace(o, latencies=took) if o.case == "slow-clients" else o for o in run.observations
    ]
    found = next(f for f in FIGURES if f.key == "beside p99")
    assert (told(run, found, "modelport") is not None) == is_told
    assert by_round(run, found, "modelport") == {}


def test_more_refusals_are_better_and_more_milliseconds_are_worse() -> None:
    assert {c.what for c in losses(contests(everything(FIRST_IS_BEST), "modelport"))} == {
        f"{case(f.case)['title']}: {f.title}"
        for f in FIGURES
        if f.more_is_better is not None and f.key not in ("per_worker", "beside p99")
    }
    assert not [c for c in losses(contests(everything(FIRST_IS_WORST), "modelport")) if ":" in c.what]


def test_a_baseline_knows_which_way_each_number_is_worse() -> None:
    before, now = everything({"modelport": [1.0, 1, 1, 1]}), everything({"x": [1.0], "modelport": [1.0, 1, 1, 1]})
    worse = {change.what for change in changes(now, before) if change.is_regression}
    better = {change.what for change in changes(before, now) if (change.ratio.low or 0) > 1}
    judged = {
        "invalid input: refused in a second",
        "twice the capacity: p50 of the right answers",
        "memory: one request in flight",
    }
    assert worse >= judged
    assert worse == better


@pytest.mark.parametrize(
    ("per_worker", "word_here"),
    [(lambda n: 80 * MIB * n, HOLDS), (lambda n: 10 * MIB * n, DEPENDS), (lambda n: n**3 * MIB, FAILS)],
)
def test_memory_grows_in_a_line_where_each_worker_adds_the_same(per_worker: object, word_here: str) -> None:
    assert callable(per_worker)
    run = results({"flask-naive": [1.0]})
    run.weights = [Weight("flask-naive", 0, "workers", n, n, 40 * MIB + per_worker(n)) for n in (1, 2, 4)]
    assert word(run, "Adding workers") == word_here


@pytest.mark.parametrize(("held", "word_here"), [(9_000, HOLDS), (90_000, FAILS)])
def test_what_asynchronous_code_takes_for_a_request_is_what_was_weighed(held: int, word_here: str) -> None:
    run = results({"fastapi-async": [1.0], "flask-naive": [1.0]})
    run.weights = weights("fastapi-async", 0, workers=MIB, opened=1, held=held)
    run.weights += weights("flask-naive", 0, workers=90 * MIB, opened=1, held=1)
    assert word(run, "Asynchronous code takes about 10 KB") == word_here
    assert word(run, "A worker costs 2 MB") == FAILS


def test_how_many_requests_flask_takes_at_once_is_known_from_leaving_clients_too() -> None:
    run = everything({"flask-naive": [1.0], "flask-threads": [1.0]})
    for number, each in enumerate(run.observations):
        if each.case == "leaving-clients" and each.contestant == "flask-naive":
            run.observations[number] = dataclasses.replace(each, values={**each.values, "alone_per_s": 20.0})
    assert word(run, "Flask takes one request at a time") == DEPENDS


def test_the_report_shows_each_such_case_with_faults_and_intervals() -> None:
    page = render(everything(FIRST_IS_BEST))
    section = page.partition("<h2>When things go wrong")[2].partition("<h2>")[0]
    for each in ("Invalid input", "Beside slow clients", "Twice the capacity", "Beside clients that leave"):
        assert f"<h3>{each}</h3>" in section
    assert "<th>with 5xx</th>" in section
    assert "67%" in section  # the third answers 1 of 3 with 4xx, the rest with 5xx
    memory = page.partition("<h2>Memory against concurrency")[2].partition("<h2>")[0]
    assert "Memory by requests in flight" in memory
    assert "16.0\u00a0KiB" in memory
    assert "twice the capacity" in page.partition("Where Modelport is behind")[2].partition("<h2>")[0]


def test_the_verdict_without_a_load_is_of_the_cases_that_there_are() -> None:
    run = everything(FIRST_IS_WORST)
    run.cases, run.measurements = [case("overload"), case("leaving-clients")], []
    told_here = sentences(run)
    assert len(told_here) == 3
    assert told_here[0] == (
        "Twice the capacity, right answers in time, in a second: 81/s with Modelport, 40/s with Fastapi, the best of the others."
    )


@pytest.mark.parametrize(("per_s", "is_told"), [(80.0, False), (112.0, True)])
def test_whoever_works_on_more_requests_than_is_stated_is_told_of(per_s: float, is_told: bool) -> None:
    run = everything({"flask": [1.0], "modelport": [1.0]})
    run.contestants[0]["slots"] = "4: one process, as many threads"
    run.contestants[1]["slots"] = "one batch at a time"
    run.observations = [
        dataclasses.replace(o, values={**o.values, "alone_per_s": per_s}) if o.case == "leaving-clients" else o
        for o in run.observations
    ]
    page = render(run)
    assert ("Flask worked on 5.6 requests at once and not on the 4 that are stated" in page) == is_told
    assert "Modelport worked on" not in page


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 5, 8])
def test_a_run_that_ended_among_these_cases_makes_a_page(kept: int) -> None:
    run = everything(FIRST_IS_WORST)
    run.complete, run.measurements = False, []
    run.observations, run.weights = run.observations[:kept], run.weights[: 3 * kept]
    assert "This run was interrupted" in render(run)
    assert sentences(run)
    assert hardships("x", 0)


def test_a_share_that_is_next_to_none_is_not_rounded_up() -> None:
    form = next(f for f in FIGURES if f.key == "answered").form
    shares = (0.0, 0.0009, 0.004, 0.5, 0.996, 1.0)
    assert [form(share) for share in shares] == ["0%", "< 0.1%", "0.4%", "50%", "99.6%", "100%"]


def test_a_percentile_that_one_round_does_not_bear_is_told_and_not_compared() -> None:
    """Of the rest of the rounds alone an interval of ratios may have no width at all."""
    run = everything(FIRST_IS_WORST)
    run.observations = [
        dataclasses.replace(o, latencies={**o.latencies, "good": latencies(0.2, 5)})
        if (o.contestant, o.case, o.round) == ("fastapi", "overload", 2)
        else o
        for o in run.observations
    ]
    run.measurements = [
        dataclasses.replace(m, latencies=latencies(0.002, 5), answers=5)
        if (m.contestant, m.rate, m.round) == ("fastapi", 100.0, 2)
        else m
        for m in run.measurements
    ]
    compared = {c.what for c in contests(run, "modelport") if c.other == "fastapi"}
    beside = {c.what for c in contests(run, "modelport") if c.other == "flask-naive"}
    assert beside - compared == {
        *("twice the capacity: p50 of the right answers", "twice the capacity: p95 of the right answers"),
        *("p50 at 100 requests/s, one row", "p95 at 100 requests/s, one row", "p99 at 100 requests/s, one row"),
    }
    assert value(run, "good p50", "fastapi") is not None

"""How long a run will take: thought out from the plan, corrected by what it has taken, and bounded where asked for."""

from __future__ import annotations

import dataclasses

import pytest

from modelport.compare.cases import CASES, PREDICT, WEIGHED, WORK, select
from modelport.compare.contestants import CONTESTANTS
from modelport.compare.forecast import (
    Forecast,
    Part,
    apps_of,
    asked_of,
    fitted,
    in_words,
    known_loads,
    rounds_of,
    whole_s,
)
from modelport.compare.machine import Cores
from modelport.compare.plan import Plan, open_s
from modelport.errors import SetupError

PLAN = Plan(
    rounds=5, warm_up_s=2.0, capacity_s=5.0, latency_s=5.0, rates=6, work_rates=3, slots=4, cores=Cores((0,), 1)
)


def test_what_was_done_teaches_about_itself_and_about_the_rest() -> None:
    forecast = Forecast({"a": Part(4.0, 6.0), "b": Part(10.0, 10.0), "c": Part(1.0, 4.0)})
    assert forecast.left_s(["a", "b", "b"]) == 50
    forecast.took("a", 4.0 + 3 * 6.0)
    assert forecast.expected_s("a") == 22
    assert forecast.expected_s("b") == 10 + 3 * 10  # a busy machine makes starts longer, and no load
    forecast.took("b", 10.0 + 10.0)
    assert forecast.left_s(["a", "b", "c"]) == pytest.approx(22 + 20 + 1 + 4 * 28 / 16)


def test_a_run_takes_at_least_its_loads_and_no_case_is_forgotten() -> None:
    whole = whole_s(CONTESTANTS, CASES, PLAN)
    for case in CASES:
        without = tuple(other for other in CASES if other != case)
        assert whole_s(CONTESTANTS, without, PLAN) < whole, case.name
    loads = sum(bool(asked_of(c, case.app, [case])) for c in CONTESTANTS for case in CASES if case.kind == "load")
    assert whole > loads * PLAN.rounds * (PLAN.warm_up_s + PLAN.capacity_s)


def test_each_start_has_its_own_cases_and_memory_has_fewer_rounds() -> None:
    apps = apps_of(CASES)
    assert list(apps) == [PREDICT, WORK, WEIGHED]
    assert sum(apps.values(), ()) == tuple(sorted(CASES, key=lambda case: list(apps).index(case.app)))
    assert [rounds_of(app, PLAN) for app in apps] == [5, 5, 3]
    assert rounds_of(WEIGHED, dataclasses.replace(PLAN, rounds=2)) == 2
    assert list(apps_of(select(["memory"]))) == [WEIGHED]


@pytest.mark.parametrize("minutes", [120.0, 145.0, 200.0])
def test_a_bounded_run_has_the_longest_loads_that_fit(minutes: float) -> None:
    plan = fitted(CONTESTANTS, CASES, PLAN, minutes)
    assert whole_s(CONTESTANTS, CASES, plan) <= minutes * 60
    assert plan.rounds == PLAN.rounds
    assert plan.capacity_s <= PLAN.capacity_s


def test_a_run_that_fits_is_left_as_it_is_and_one_that_cannot_is_refused() -> None:
    assert fitted(CONTESTANTS, CASES, PLAN, 1e6) == PLAN
    with pytest.raises(SetupError, match=r"--minutes 3 is too little.* takes about .*--only, --cases or --rounds"):
        fitted(CONTESTANTS, CASES, PLAN, 3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "5 seconds"), (63, "65 seconds"), (130, "2 minutes"), (160, "2.5 minutes"), (7200, "2.0 hours")],
)
def test_a_duration_is_told_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize("minutes", [118.0, 122.0, 130.0, 140.0, 145.0, 160.0, 200.0])
def test_where_time_is_short_predictions_keep_three_rates_and_functions_have_fewer_first(minutes: float) -> None:
    plan = fitted(CONTESTANTS, CASES, PLAN, max(minutes, 1.001 * least_minutes()))
    assert plan.rates >= 3
    assert plan.work_rates <= plan.rates - 2
    if plan.rates < 4:
        assert plan.work_rates == 1
    if minutes >= 140:
        assert plan.rates >= 4


def least_minutes() -> float:
    """What the shortest run takes."""
    shortest = dataclasses.replace(PLAN, warm_up_s=1.0, capacity_s=1.0, latency_s=1.0, rates=3, work_rates=1)
    return whole_s(CONTESTANTS, CASES, shortest) / 60


def test_what_is_known_of_rates_makes_the_forecast_as_long_as_the_loads_are() -> None:
    found = known_loads(PLAN, [2.0, 10.0, 1000.0])
    assert found.many == 3
    assert found.seconds == pytest.approx(sum(open_s(PLAN, rate) for rate in (2.0, 10.0, 1000.0)))
    assert found.seconds > 3 * PLAN.latency_s


def test_a_contestant_of_some_cases_is_not_started_for_others() -> None:
    only = next(c for c in CONTESTANTS if c.only_cases)
    asked = {app: [case.name for case in asked_of(only, app, cases)] for app, cases in apps_of(CASES).items()}
    assert asked == {PREDICT: [], WORK: list(only.only_cases), WEIGHED: []}
    everybody = next(c for c in CONTESTANTS if c.name == "modelport")
    assert all(asked_of(everybody, app, cases) == cases for app, cases in apps_of(CASES).items())

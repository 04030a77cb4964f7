"""How long loads are, and what is counted of them: answers that come in waves, few that arrive, and a generator that is late."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport.compare.cases import CASES, select
from modelport.compare.histogram import Histogram
from modelport.compare.loadgen import Run, Turns, closed_loop, lateness
from modelport.compare.machine import Cores
from modelport.compare.plan import Plan, closed_s, open_s, turn_s, warm_up_s
from modelport.compare.pool import request_bytes
from modelport.compare.results import Measurement
from tests.compare.answering import answering
from tests.compare.fixed import measurement

PLAN = Plan(5, 2.0, 2.0, 1.5, rates=5, work_rates=2, slots=4, cores=Cores((0,), 1))
(WAIT,) = select(["wait"])
(HOLD,) = select(["hold-gil"])
(ROW,) = select(["one-row"])


def turns_of(answers: Iterator[tuple[float, int]], callers: int, lasts: float) -> float:
    """The pace of a load that ends then, of answers to these callers at these times."""
    turns = Turns(callers)
    for now, caller in answers:
        if now > lasts:
            break
        turns.note(caller, now)
    return turns.per_s(lasts)


@pytest.mark.parametrize("lasts", [7.0, 7.6, 9.9, 10.3, 13.0])
def test_answers_that_come_in_waves_at_the_end_of_each_turn_are_not_counted_by_chance(lasts: float) -> None:
    waves = ((3.4 * turn + caller / 10_000, caller) for turn in count(1) for caller in range(256))
    assert turns_of(waves, 256, lasts) == pytest.approx(256 / 3.4, rel=0.001)


def test_a_wave_that_the_end_of_the_load_cuts_counts_as_a_whole_one() -> None:
    waves = ((3.4 * turn + caller / 1000, caller) for turn in count(1) for caller in range(256))
    assert turns_of(waves, 256, 7.05) == pytest.approx(256 / 3.4, rel=0.001)


@given(st.floats(50, 5000), st.integers(1, 64), st.floats(5, 10))
def test_answers_that_come_one_by_one_are_counted_as_fast_as_they_come(
    per_s: float, callers: int, lasts: float
) -> None:
    one_by_one = ((number / per_s, number % callers) for number in count(1))
    assert turns_of(one_by_one, callers, lasts) == pytest.approx(per_s, rel=0.01)


def test_where_few_callers_have_two_answers_all_of_them_are_counted() -> None:
    one_by_one = ((0.05 * number, number % 256) for number in count(1))
    assert turns_of(one_by_one, 256, 7.6) == pytest.approx(20, rel=0.01)


def test_callers_who_are_served_more_often_do_not_speak_for_those_who_are_not() -> None:
    half = ((0.01 * number, number % 4) for number in count(1))  # four of eight are never answered
    assert turns_of(half, 8, 5.0) == pytest.approx(100, rel=0.01)


def test_of_no_answer_the_pace_is_none_and_is_told_as_half_an_answer() -> None:
    assert Turns(4).per_s(2.0) == 0
    assert dataclasses.replace(measurement("a", 0, None, 0, []), pace_per_s=0.0, seconds=2.0).per_s == 0.25


def test_a_capacity_is_the_pace_where_it_is_known() -> None:
    plain: Measurement = measurement("a", 0, None, 100, [])
    assert plain.per_s == 100
    assert dataclasses.replace(plain, pace_per_s=77.0).per_s == 77


@pytest.mark.parametrize("path", ["/", "/closes"])
def test_a_closed_loop_tells_its_pace_whether_or_not_connections_stay(path: str) -> None:
    with answering() as port:
        found = closed_loop(Run(port, [request_bytes("POST", path, b"{}", {})], 4, 200), 0.5)
    assert found["pace_per_s"] == pytest.approx(found["statuses"]["200"] / 0.5, rel=0.25)


def test_a_load_of_tasks_lasts_for_two_turns_of_its_callers_at_least() -> None:
    assert turn_s(WAIT, 4) == pytest.approx(256 * 0.05 / 4)
    assert turn_s(HOLD, 4) == turn_s(HOLD, 1) == pytest.approx(16 * 0.05)  # one at a time, whatever the slots are
    for case in CASES:
        assert closed_s(case, PLAN) >= max(PLAN.capacity_s, 2 * turn_s(case, PLAN.slots)), case.name
        assert warm_up_s(case, PLAN) == (0 if case.task_s else PLAN.warm_up_s)
    assert closed_s(ROW, PLAN) == PLAN.capacity_s
    assert closed_s(WAIT, dataclasses.replace(PLAN, capacity_s=30.0)) == 30


def test_an_open_loop_lasts_until_a_p95_can_be_told_or_for_as_long_as_is_bearable() -> None:
    for rate in (8.0, 20.0, 40.0, 1000.0):
        seconds = open_s(PLAN, rate)
        enough = Histogram([[500, int(PLAN.rounds * rate * seconds)]]).bears(0.95)
        assert enough or seconds == pytest.approx(7.0)
        assert seconds >= PLAN.latency_s
    assert open_s(PLAN, 1000.0) == PLAN.latency_s
    assert open_s(PLAN, 8.0) > open_s(PLAN, 20.0) > PLAN.latency_s


@pytest.mark.parametrize(("arrivals", "late_from"), [(5, 4), (20, 9), (100, 89), (300, 280), (1000, 980)])
def test_a_generator_that_is_late_is_seen_however_few_requests_it_sends(arrivals: int, late_from: int) -> None:
    lag = Histogram()
    for number in range(arrivals):
        lag.add(0.1 if number >= late_from else 0.00001)
    assert lateness(lag) == pytest.approx(0.1, rel=0.02)


def test_a_generator_that_sent_nothing_was_not_late() -> None:
    assert lateness(Histogram()) is None

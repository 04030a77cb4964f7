"""How long loads are, and what is counted of them: answers that come in waves, few that arrive, and a generator that is late."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport.compare.cases import CASES, select
from modelport.compare.histogram import Histogram
from modelport.compare.loadgen import Pace, Run, closed_loop, lateness
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


@pytest.mark.parametrize("seconds", [7.2, 8.0, 9.9, 13.0])
def test_answers_that_come_in_waves_at_the_end_of_each_turn_are_not_counted_by_chance(seconds: float) -> None:
    pace = Pace(256, 0.0, ramp_s=3.2)
    for step in range(1, int(seconds * 100)):
        pace.note(step / 100, 256 * int(step / 100 / 3.4))  # nobody has an answer for 3.4 s, then everybody
    assert pace.per_s == pytest.approx(256 / 3.4, rel=0.01)


@given(st.floats(10, 5000), st.integers(1, 256), st.floats(3, 10))
def test_answers_that_come_one_by_one_are_counted_as_fast_as_they_come(
    per_s: float, callers: int, lasts: float
) -> None:
    pace = Pace(callers, 0.0, ramp_s=1.0)
    for step in range(1, int(lasts * 100)):
        pace.note(step / 100, int(per_s * step / 100))
    assert pace.per_s == pytest.approx(per_s, abs=1.5)


def test_where_not_even_two_turns_end_the_ramp_is_left_out() -> None:
    pace = Pace(256, 0.0, ramp_s=2.0)
    for step in range(1, 501):
        now = step / 100
        pace.note(now, max(0, int(20 * (now - 2))))
    assert pace.per_s == pytest.approx(20, rel=0.02)


def test_of_no_answer_the_pace_is_none_and_is_told_as_half_an_answer() -> None:
    pace = Pace(4, 0.0, ramp_s=0.0)
    pace.note(2.0, 0)
    assert pace.per_s == 0
    assert dataclasses.replace(measurement("a", 0, None, 0, []), pace_per_s=0.0, seconds=2.0).per_s == 0.25


def test_a_capacity_is_the_pace_where_it_is_known() -> None:
    plain: Measurement = measurement("a", 0, None, 100, [])
    assert plain.per_s == 100
    assert dataclasses.replace(plain, pace_per_s=77.0).per_s == 77


def test_a_closed_loop_tells_its_pace() -> None:
    with answering() as port:
        found = closed_loop(Run(port, [request_bytes("POST", "/", b"{}", {})], 4, 200), 0.3, skip_s=0.05)
    assert found["pace_per_s"] == pytest.approx(found["statuses"]["200"] / 0.3, rel=0.4)


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

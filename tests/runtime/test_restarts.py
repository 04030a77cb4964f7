"""When a worker that died is started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelport.runtime.restarts import FIRST_SECONDS, LAST_SECONDS, STEADY_SECONDS, Restarts


def test_one_after_the_other_that_never_comes_to_work_is_started_later_and_later() -> None:
    restarts = Restarts()
    waits = [restarts.plan(0, float(now)) for now in range(12)]
    assert waits[:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS, 8 * FIRST_SECONDS]
    assert waits == sorted(waits)
    assert waits[-1] == LAST_SECONDS


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_the_death_of_one_that_was_well_waits_no_longer_than_the_first_however_many_die(gaps: list[float]) -> None:
    restarts, now = Restarts(), 0.0
    for gap in gaps:
        now += gap
        assert restarts.plan(1, now, was_well=True) == FIRST_SECONDS


def test_a_death_while_it_works_ends_the_loop_that_went_before() -> None:
    restarts = Restarts()
    for now in range(6):
        restarts.plan(0, float(now))
    restarts.plan(0, 6.0, was_well=True)
    assert restarts.plan(0, 7.0) == 2 * FIRST_SECONDS


def test_each_is_started_once_when_its_time_has_come() -> None:
    restarts = Restarts()
    wait_s = restarts.plan(3, 10.0)
    assert restarts.take_due(10.0 + wait_s / 2) == []
    assert restarts.take_due(10.0 + wait_s) == [3]
    assert restarts.take_due(100.0) == []


def test_one_in_whose_place_another_serves_is_not_started() -> None:
    restarts = Restarts()
    restarts.plan(3, 10.0)
    restarts.plan(4, 10.0)
    restarts.cancel(3)
    assert restarts.take_due(100.0) == [4]


def test_deaths_are_forgotten_when_all_have_been_ready_for_long() -> None:
    restarts = Restarts()
    restarts.plan(0, 0.0)
    restarts.plan(0, 1.0)
    restarts.take_due(50.0)
    restarts.watch(1.0 + STEADY_SECONDS, all_ready=True)
    restarts.watch(100.0, all_ready=False)
    assert restarts.deaths == 2
    restarts.watch(100.0, all_ready=True)
    assert restarts.deaths == 0

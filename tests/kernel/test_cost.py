"""What batches cost is learned from them: exactly where they are regular, sensibly where they are not."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelport.kernel.cost import CostModel

seconds = st.one_of(st.just(0.0), st.floats(1e-6, 100.0))
batches = st.lists(st.tuples(st.integers(1, 4096), seconds), max_size=60)
fine = settings(max_examples=300, deadline=None)


def learned(observed: list[tuple[int, float]]) -> CostModel:
    model = CostModel()
    for rows, took in observed:
        model.observe(rows, took)
    return model


@fine
@given(st.floats(0, 10), st.floats(1e-6, 1), st.lists(st.integers(1, 1024), min_size=2, max_size=60))
def test_it_finds_the_line_that_the_batches_lie_on(a: float, b: float, sizes: list[int]) -> None:
    assume(max(sizes) >= 2 * min(sizes))
    model = learned([(rows, a + b * rows) for rows in sizes])
    for rows in (1, 17, 1024):
        assert model.seconds(rows) == pytest.approx(a + b * rows, rel=1e-4, abs=1e-6)


@fine
@given(batches)
def test_no_cost_is_negative_and_more_rows_never_cost_less(observed: list[tuple[int, float]]) -> None:
    model = learned(observed)
    a, b = model.coefficients()
    assert a >= 0
    assert b >= 0
    costs = [model.seconds(rows) for rows in range(0, 300, 7)]
    assert costs == sorted(costs)


@fine
@given(batches, st.integers(1, 64), st.integers(0, 500))
def test_a_longer_queue_never_drains_sooner(observed: list[tuple[int, float]], max_rows: int, rows: int) -> None:
    model = learned(observed)
    shorter, longer = model.drain_seconds(rows, max_rows), model.drain_seconds(rows + 1, max_rows)
    assert 0 <= shorter <= longer * (1 + 1e-9)


@fine
@given(batches, st.floats(0, 10), st.integers(1, 4096))
def test_a_batch_size_chosen_for_a_target_stays_within_it(
    observed: list[tuple[int, float]], target_s: float, max_rows: int
) -> None:
    """One row must always go; every further one has to fit. And one more would not have."""
    model = learned(observed)
    rows = model.rows_within(target_s, max_rows)
    assert 1 <= rows <= max_rows
    assert rows == 1 or model.seconds(rows) <= target_s * (1 + 1e-9)
    assert rows == max_rows or model.seconds(rows + 1) >= target_s * (1 - 1e-9)


def test_before_anything_ran_nothing_is_refused_on_a_guess() -> None:
    model = CostModel()
    assert model.seconds(10_000) == 0
    assert model.drain_seconds(10_000, 64) == 0
    assert model.rows_within(0.0, 64) == 64
    assert model.gain(64) == 1


def test_one_batch_size_alone_puts_all_on_the_rows() -> None:
    model = learned([(8, 0.4)] * 20)
    assert model.coefficients() == pytest.approx((0.0, 0.05))


def test_a_batch_of_no_rows_teaches_nothing() -> None:
    assert learned([(0, 3.0)]).seconds(5) == 0


def test_old_batches_are_forgotten() -> None:
    """A model that became ten times quicker is believed after some hundreds of batches."""
    slow = [(rows, 0.10 * rows) for rows in (1, 8)] * 50
    quick = [(rows, 0.01 * rows) for rows in (1, 8)] * 200
    assert learned(slow + quick).seconds(8) == pytest.approx(0.08, rel=0.01)


@fine
@given(batches.filter(bool), st.integers(1, 64))
def test_a_batch_told_once_per_call_counts_as_one(observed: list[tuple[int, float]], calls: int) -> None:
    """Else a batch of 64 calls would push everything before it out of memory."""
    shared = CostModel()
    for rows, took in observed:
        for _ in range(calls):
            shared.observe(rows, took, 1 / calls)
    whole = learned(observed)
    assert shared.seconds(64) == pytest.approx(whole.seconds(64), rel=0.05, abs=1e-6)


def test_the_gain_of_a_batch_is_how_many_times_quicker_its_rows_are() -> None:
    assert learned([(1, 0.011), (10, 0.020)]).gain(10) == pytest.approx(5.5)
    assert learned([(1, 0.01), (10, 0.10)]).gain(10) == pytest.approx(1.0)

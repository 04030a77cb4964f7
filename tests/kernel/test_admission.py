"""Whether a call may queue: what is refused could not have been served; a full queue says when to come back."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.admission import Admission, Refusal
from modelport.kernel.cost import CostModel
from modelport.kernel.meters import QUEUE_FULL, TOO_LATE


def admission(target_s: float = inf, parallel: int = 1) -> Admission:
    """A model of 10 ms a row, with a queue of 100 rows and batches of 10."""
    cost = CostModel()
    for rows in (1, 2, 10):
        cost.observe(rows, 0.01 * rows)
    return Admission(100, 10, cost, target_s, parallel)


many = settings(max_examples=200, deadline=None)
rows_of = st.integers(1, 300)


@many
@given(rows_of, st.floats(0, 1))
def test_where_nothing_waits_a_call_of_any_size_is_admitted(rows: int, seconds_left: float) -> None:
    assert admission().decide(0, rows, seconds_left) is None


@many
@given(st.integers(1, 300), rows_of, st.floats(0, 10))
def test_what_is_admitted_fits_the_queue_and_the_deadline(waiting: int, rows: int, seconds_left: float) -> None:
    if admission().decide(waiting, rows, seconds_left) is None:
        assert waiting + rows <= 100
        assert (waiting + rows) * 0.01 <= seconds_left * 1.001


@many
@given(st.integers(0, 300), rows_of, st.floats(0, 10))
def test_a_call_that_would_be_admitted_is_admitted_with_fewer_rows_ahead(
    waiting: int, rows: int, seconds_left: float
) -> None:
    if admission().decide(waiting, rows, seconds_left) is None:
        assert admission().decide(waiting // 2, rows, seconds_left) is None


@many
@given(st.integers(1, 10**6), rows_of)
def test_the_retry_is_half_the_time_that_the_queue_takes_and_a_whole_second_at_least(waiting: int, rows: int) -> None:
    refusal = admission().decide(waiting, rows, 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after_s >= 1
    assert refusal.retry_after_s - 1 <= waiting * 0.01 / 2 * 1.001


@many
@given(st.integers(1, 90), st.integers(1, 9), st.floats(0.001, 2))
def test_what_is_admitted_keeps_the_latency_target_or_waits_for_one_call_like_it(
    waiting: int, rows: int, target_s: float
) -> None:
    done_s = (waiting + rows) * 0.01
    admitted = admission(target_s).decide(waiting, rows, inf) is None
    assert not admitted or done_s <= max(target_s, 2 * rows * 0.01) * 1.001
    assert admitted or done_s > target_s * 0.999 or waiting + rows > 100


def test_a_target_that_the_model_cannot_meet_still_lets_one_wait() -> None:
    assert admission(0.001).decide(1, 1, inf) is None
    refusal = admission(0.001).decide(2, 1, inf)
    assert refusal is not None
    assert (refusal.reason, refusal.kind) == ("the queue would take 0.03 s, the latency target is 0.001 s", TOO_LATE)


def test_calls_that_run_side_by_side_empty_the_queue_sooner() -> None:
    assert admission().decide(50, 10, 0.3) is not None
    assert admission(parallel=4).decide(50, 10, 0.3) is None


@many
@given(st.integers(0, 50), st.integers(0, 200), st.integers(0, 200))
def test_what_is_admitted_fits_the_queue_in_bytes_unless_nothing_waits(waiting: int, held: int, size: int) -> None:
    rule = admission()
    rule.queue_bytes = 100
    refusal = rule.decide(waiting, 1, inf, held, size)
    assert (refusal is None) == (waiting == 0 or held + size <= 100)
    assert refusal is None or refusal.reason == f"the queue is full ({held} of 100 bytes)"


def test_the_reason_names_what_is_full() -> None:
    full = admission().decide(95, 10, 60.0)
    assert full is not None
    assert (full.reason, full.kind) == ("the queue is full (95 of 100 rows)", QUEUE_FULL)
    late = admission().decide(50, 10, 0.25)
    assert late is not None
    assert (late.reason, late.kind) == ("the queue would take 0.6 s, the deadline is in 0.25 s", TOO_LATE)


def test_before_anything_ran_only_the_bound_in_rows_counts() -> None:
    untaught = Admission(100, 10, CostModel())
    assert untaught.decide(90, 10, 0.0) is None
    assert untaught.decide(91, 10, 60.0) is not None

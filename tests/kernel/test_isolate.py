"""A record that makes the model raise fails alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.isolate import run_isolated
from modelport.kernel.values import Failure


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
@settings(max_examples=200, deadline=None)
def test_any_poison_records_fail_alone_and_the_others_are_answered_in_order(case: tuple[int, set[int]]) -> None:
    count, poison = case
    runs = 0

    def run(records: Sequence[Any]) -> list[bytes]:
        nonlocal runs
        runs += 1
        if poison.intersection(records):
            raise ValueError("cannot digest this")
        return [b"%d" % record for record in records]

    outcomes = run_isolated(run, range(count))
    assert len(outcomes) == count
    for record, outcome in enumerate(outcomes):
        if record in poison:
            assert isinstance(outcome, Failure)
            assert outcome.code == "model_failed"
        else:
            assert outcome == b"%d" % record
    assert runs <= 1 + 2 * len(poison) * (1 + math.ceil(math.log2(count)))


@given(st.integers(1, 20), st.integers(0, 40))
def test_a_model_that_gives_another_number_of_answers_fails_and_both_numbers_are_named(asked: int, given_: int) -> None:
    outcomes = run_isolated(lambda records: [b"x"] * given_, range(asked))
    assert len(outcomes) == asked
    if given_ == asked:
        assert outcomes == [b"x"] * asked
        return
    for outcome in outcomes:
        assert isinstance(outcome, Failure)
        assert outcome.code == "wrong_count"
        assert f"{given_} answers for {asked} records" in outcome.message


@pytest.mark.parametrize(
    "error", [ValueError("secret"), MemoryError(), RecursionError(), SystemExit(3), StopIteration()]
)
def test_the_caller_learns_no_internals_and_the_log_learns_the_cause(error: BaseException) -> None:
    def run(records: Sequence[Any]) -> list[bytes]:
        raise error

    (outcome,) = run_isolated(run, [1])
    assert isinstance(outcome, Failure)
    assert outcome.message == "The model failed on this record"
    assert type(error).__name__ in outcome.cause
    assert "test_isolate.py" in outcome.cause


def test_ctrl_c_is_no_failure_of_a_model() -> None:
    def run(records: Sequence[Any]) -> list[bytes]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_isolated(run, [1])

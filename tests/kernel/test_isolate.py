"""A record that makes the model raise fails alone, whatever is raised; its neighbours get their own right answers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.errors import CallError, DeadlineExceeded, InvalidInput, ModelFailed, Overloaded, Problem
from modelport.kernel.isolate import run_isolated
from modelport.kernel.values import Failure


class Poison:
    """A model of whole numbers that raises where a poisonous one is in the batch. Counts its runs."""

    def __init__(self, poisonous: set[int], error: type[BaseException] = ValueError) -> None:
        self.poisonous, self.error, self.runs = poisonous, error, 0

    def __call__(self, records: Sequence[Any]) -> list[bytes]:
        self.runs += 1
        if self.poisonous & set(records):
            raise self.error("poison")
        return [b"%d" % record for record in records]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 200), st.sets(st.integers(0, 199), max_size=12))
def test_only_the_poisonous_records_fail(rows: int, poisonous: set[int]) -> None:
    outcomes = run_isolated(Poison(poisonous), range(rows))
    assert len(outcomes) == rows
    for record, outcome in enumerate(outcomes):
        if record in poisonous:
            assert isinstance(outcome, Failure)
            assert outcome.code == "model_failed"
        else:
            assert outcome == b"%d" % record


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 500), st.sets(st.integers(0, 499), max_size=8))
def test_finding_the_culprits_costs_a_logarithm_of_runs(rows: int, poisonous: set[int]) -> None:
    model = Poison(poisonous)
    run_isolated(model, range(rows))
    culprits = len([p for p in poisonous if p < rows])
    assert model.runs <= 1 + 2 * culprits * ceil(log2(rows) if rows > 1 else 0)


class Panic(BaseException):
    """What a library in Rust raises."""


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, Panic, MemoryError, RecursionError, StopIteration]
)
def test_whatever_a_model_raises_becomes_the_failure_of_its_record(error: type[BaseException]) -> None:
    """`sys.exit()` in a model must not end the thread that all its callers wait for."""
    good, bad = run_isolated(Poison({1}, error), [0, 1])
    assert good == b"0"
    assert isinstance(bad, Failure)
    assert error.__name__ in bad.cause


class Unprintable(Exception):
    """Raises again where it is turned into text."""

    def __str__(self) -> str:
        raise RuntimeError


def test_an_error_that_cannot_be_printed_is_still_one_failure() -> None:
    (failure,) = run_isolated(Poison({0}, Unprintable), [0])
    assert isinstance(failure, Failure)
    assert failure.cause.startswith("Unprintable: (its message cannot be read)")


@pytest.mark.parametrize("answers", [0, 2, 4])
def test_a_wrong_number_of_answers_is_an_error_that_names_both(answers: int) -> None:
    message = f"The model gave {answers} answers for 3 records"
    asked = []

    def run(records: Sequence[int]) -> list[bytes]:
        asked.append(len(records))
        return [b"1"] * answers

    assert run_isolated(run, [1, 2, 3]) == [Failure("wrong_count", message, message)] * 3
    assert asked == [3]  # one answer for many might pass for the answer of one


def test_the_cause_names_the_line_that_raised_and_the_message_does_not() -> None:
    (failure,) = run_isolated(Poison({0}), [0])
    assert isinstance(failure, Failure)
    assert failure.cause.startswith("ValueError: poison (")
    assert "test_isolate.py:" in failure.cause
    assert "poison" not in failure.message


def test_a_call_that_failed_inside_gives_its_kind_and_names_its_branch() -> None:
    error = InvalidInput([Problem(("model", "genre", "body", "tempo"), "wrong", "float_type")])
    error.model = "genre"

    def run(records: Sequence[Any]) -> list[bytes]:
        raise ExceptionGroup("of a task group", [error])

    (failure,) = run_isolated(run, [1])
    assert isinstance(failure, Failure)
    assert (failure.code, failure.problems) == ("invalid_input", tuple(error.problems))
    assert failure.message.startswith("model 'genre': ")


@pytest.mark.parametrize(
    ("error", "runs"), [(Overloaded("full"), 1), (DeadlineExceeded("late"), 1), (ModelFailed("no"), 7)]
)
def test_a_batch_is_not_run_again_for_what_no_record_is_to_blame(error: CallError, runs: int) -> None:
    ran = []

    def run(records: Sequence[Any]) -> list[bytes]:
        ran.append(records)
        raise error

    assert {failure.code for failure in run_isolated(run, [1, 2, 3, 4]) if isinstance(failure, Failure)} == {error.code}
    assert len(ran) == runs

"""The judge of the estimators must see what is wrong, and the hunt must find what differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.estimators import verdict
from bench.harness.served import differences, own_answers
from bench.harness.zoo import fitted
from bench.parity_hunt import hunt

RIGHT = [{"prediction": "a", "probabilities": {"a": 0.75, "b": 0.25}}]
WRONG: dict[str, Any] = {
    "another label": [{"prediction": "b", "probabilities": {"a": 0.75, "b": 0.25}}],
    "another probability": [{"prediction": "a", "probabilities": {"a": 0.7499, "b": 0.2501}}],
    "no probabilities": [{"prediction": "a"}],
    "a class too few": [{"prediction": "a", "probabilities": {"a": 0.75}}],
}


def test_the_right_answer_is_no_difference() -> None:
    assert differences({"prediction": ["a"], "probabilities": [[0.75, 0.25]]}, RIGHT) == ""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_a_difference(name: str) -> None:
    assert differences({"prediction": ["a"], "probabilities": [[0.75, 0.25]]}, WRONG[name]).startswith("row 0")


def test_values_are_compared_relatively_and_nan_is_null() -> None:
    own = {"prediction": [1e6, 1e-6, float("nan")]}
    assert differences(own, [{"prediction": 1e6 + 0.5}, {"prediction": 1e-6}, {"prediction": None}]) == ""
    assert differences(own, [{"prediction": 1e6}, {"prediction": 1.1e-6}, {"prediction": None}]).startswith("row 1")
    assert differences(own, [{"prediction": 1e6}, {"prediction": 1e-6}, {"prediction": 0.0}]).startswith("row 2")


@pytest.mark.parametrize(("served", "compiled", "status"), [(90, 70, 0), (89, 70, 1), (90, 69, 1)])
def test_the_exit_status_is_one_below_either_promise(served: int, compiled: int, status: int) -> None:
    found = [{"served": i < served, "compiled": i < compiled} for i in range(100)]
    assert verdict(found) == status


def test_what_is_asked_was_not_fitted_on() -> None:
    made = fitted("regressor", "Ridge")
    known = {tuple(row) for row in made.data.inputs.tolist()}
    assert len(made.data.held_out) == 200
    assert not known & {tuple(row) for row in made.data.held_out.tolist()}
    assert len(own_answers(made.model, made.data.held_out)["prediction"]) == 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 12, 99, 1006, 1055, 1087, 1335])
def test_random_models_answer_as_the_original(seed: int) -> None:
    with np.errstate(all="ignore"):
        assert not hunt(seed).startswith(("DIFFERENT", "FAILED"))

"""Whether the comparison of served answers sees what it is there to see."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bench.old_models.cases import all_cases, varied
from bench.old_models.heldout import answer_of, asked_rows, body_of, differences, hold
from bench.old_models.tied import Decided, centres_of, rows_between

ASKED: dict[str, Any] = {
    "usual": {"array": [[1.0, 2.0], [3.0, float("nan")]], "dtype": "<f8", "shape": [2, 2]},
    "odd": {"array": [[float("inf"), 0.0], [9.0, 9.0]], "dtype": "<f8", "shape": [2, 2]},
    "answers": {
        "predict": [
            {"kind": "U", "shape": [2], "values": ["a", "b"]},
            {"kind": "U", "shape": [1], "values": ["a"]},
            {"raises": "ValueError", "says": "too far"},
        ],
        "predict_proba": [
            {"kind": "f", "shape": [2, 2], "values": [0.9, 0.1, 0.25, 0.75]},
            {"kind": "f", "shape": [1, 2], "values": [1.0, 0.0]},
            {"raises": "ValueError", "says": "too far"},
        ],
    },
}
RIGHT = [
    {"prediction": "a", "probabilities": {"a": 0.9, "b": 0.1}},
    {"prediction": "b", "probabilities": {"a": 0.25, "b": 0.75}},
]


def test_equal_answers_are_counted_and_what_json_cannot_carry_is_refused() -> None:
    said = iter([*RIGHT, None])
    found = hold(
        asked_rows(ASKED), ["x", "y"], lambda body: next(said) if not isinstance(json.loads(body), list) else None
    )
    assert (found.equal, found.refused_more, found.refused_alike, found.differences) == (2, 1, 1, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction": "b", "probabilities": {"a": 0.9, "b": 0.1}},
        {"prediction": "a", "probabilities": {"a": 0.8999, "b": 0.1001}},
        {"prediction": "a", "probabilities": {"a": 0.9}},
        {"prediction": {"y0": "a", "y1": "a"}},
    ],
)
def test_another_label_and_another_probability_are_differences(wrong: Any) -> None:
    assert len(list(differences(asked_rows(ASKED)[0], wrong, 1.0))) == 1


def test_an_answer_to_what_was_refused_is_a_difference() -> None:
    assert "answers what was refused" in next(differences(asked_rows(ASKED)[3], RIGHT[0], 1.0))


def test_values_may_differ_by_a_millionth_and_by_noise_beside_great_ones() -> None:
    case = {
        **ASKED,
        "answers": {"predict": [{"kind": "f", "shape": [2], "values": [1.0, 1e-12]}, *[{"nothing": True}] * 2]},
    }
    first, second = asked_rows(case)[:2]
    assert not list(differences(first, {"prediction": 1.0000005}, 1.0))
    assert list(differences(first, {"prediction": 1.000002}, 1.0))
    assert not list(differences(second, {"prediction": 0.0}, 1.0))
    assert list(differences(second, {"prediction": 1e-6}, 1.0))


def test_answers_of_several_outputs_are_taken_apart_row_by_row() -> None:
    assert answer_of({"kind": "i", "shape": [2, 2], "values": [1, 2, 3, 4]}, 1) == [3, 4]
    assert answer_of({"list": [{"kind": "f", "shape": [2, 1], "values": [1.5, 2.5]}] * 2}, 1) == [[2.5], [2.5]]


def test_a_gap_crosses_as_null_and_a_column_that_nobody_reads_stays_away() -> None:
    assert body_of({"a": float("nan"), "b": "x", "c": 1.0}, ["b", "a"]) == {"b": "x", "a": None}
    assert body_of("text", ["document"]) == {"document": "text"}


def test_a_varied_model_differs_in_numbers_that_training_reads_and_in_nothing_else() -> None:
    assert varied("Ridge(alpha=0.5)") == "Ridge(alpha=0.85)"
    assert (
        varied("GridSearchCV(SVC(C=1.0, random_state=0), {'C': [1.0]})")
        == "GridSearchCV(SVC(C=0.6, random_state=3), {'C': [1.0]})"
    )
    changed = [expression for _, _, expression in all_cases() if varied(expression) != expression]
    assert len(changed) > 100


def test_rows_between_centres_are_as_near_to_one_as_to_the_other_and_others_lie_far_out() -> None:
    rows = rows_between(centres_of(SimpleNamespace(cluster_centers_=[[0.0, 1.0], [2.0, 1.0]])))
    assert rows[0] == (1.0, 1.0)
    assert (2e30, 1e30) in rows
    assert len(rows) == 1 + 2 * 3


def test_a_difference_is_silent_where_the_model_is_let_through() -> None:
    assert Decided("0.22.2", "k-means", 7, 1, False).silent
    assert not Decided("0.22.2", "k-means", 7, 1, True).silent
    assert not Decided("0.23.2", "k-means", 7, 0, False).silent

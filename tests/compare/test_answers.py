"""What counts as a difference between two answers, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelport.compare.answers import Answer, Rules, differences

JSON = (("content-type", "application/json"),)


def answer(body: Any, headers: tuple[tuple[str, str], ...] = JSON, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
        (1, 1.0),
        ([1.0], [1]),
        (None, None),
        (float("nan"), float("nan")),
        (10**400, 10**400),
    ],
)
def test_equal_values_are_no_difference(old: Any, new: Any) -> None:
    assert differences(answer(old), answer(new), Rules()) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ({"a": 1}, {"a": 2}, "$.a"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "$.a.b[1]"),
        ({"a": 1}, {}, "$.a"),
        ({}, {"a": None}, "$.a"),
        ([1, 2], [1], "$"),
        (1, True, "$"),
        (1, "1", "$"),
        (None, 0, "$"),
        (10**17, 10**17 + 1, "$"),
        (1.0, 1.0000001, "$"),
        (10**400, 1.5, "$"),
    ],
)
def test_different_values_are_told_with_their_place(old: Any, new: Any, where: str) -> None:
    (found,) = differences(answer(old), answer(new), Rules())
    assert (found.what, found.where) == ("body", where)


def test_a_tolerance_is_relative_and_absolute_around_zero() -> None:
    rules = Rules(1e-6)
    assert differences(answer([1e9, 0.0]), answer([1e9 + 100, 1e-7]), rules) == []
    assert len(differences(answer([1.0, 0.0]), answer([1.0001, 1e-5]), rules)) == 2


def test_bodies_that_are_no_json_are_compared_byte_by_byte() -> None:
    text = (("content-type", "text/html"),)
    assert differences(Answer(200, text, b"1"), Answer(200, text, b"1.0"), Rules())[0].what == "body"
    assert differences(Answer(200, JSON, b"{"), Answer(200, JSON, b"{ "), Rules())[0].what == "body"
    assert differences(Answer(200, text, b"\xff\x00"), Answer(200, text, b"\xff\x00"), Rules()) == []


def test_a_status_and_headers_are_compared_save_those_that_say_nothing() -> None:
    old = answer(1, (*JSON, ("Date", "Mon"), ("Server", "a"), ("X-Model", "1"), ("set-cookie", "a=1")))
    new = answer(1, (*JSON, ("date", "Tue"), ("server", "b"), ("x-model", "2")), 201)
    assert [d.what for d in differences(old, new, Rules())] == ["status", "x-model", "set-cookie"]
    ignoring = Rules(ignored=Rules().ignored | {"x-model", "set-cookie"})
    assert [d.what for d in differences(old, new, ignoring)] == ["status"]


def test_a_charset_that_json_has_anyway_is_no_difference() -> None:
    assert differences(answer(1), answer(1, (("Content-Type", "application/json; charset=UTF-8"),)), Rules()) == []
    assert differences(answer(1), answer(1, (("content-type", "text/json"),)), Rules()) != []


def test_an_answer_that_did_not_come_is_a_difference() -> None:
    assert differences(Answer(error="ReadTimeout"), answer(1), Rules())[0].what == "answer"
    assert differences(Answer(error="ReadTimeout"), Answer(error="ReadTimeout"), Rules()) != []


def test_bodies_as_deep_as_they_like_are_compared() -> None:
    deep = "[" * 900 + "1" + "]" * 900
    found = differences(Answer(200, JSON, deep.encode()), Answer(200, JSON, deep.replace("1", "2").encode()), Rules())
    assert len(found) == 1


def test_the_order_of_a_list_that_has_none_is_no_difference() -> None:
    old = answer(1, (*JSON, ("allow", "GET, POST"), ("vary", "Cookie"), ("vary", "Accept")))
    assert differences(old, answer(1, (*JSON, ("Allow", "POST,GET"), ("Vary", "accept, Cookie"))), Rules()) == []
    new = answer(1, (*JSON, ("allow", "GET"), ("vary", "Cookie, Accept")))
    assert [(d.what, d.old, d.new) for d in differences(old, new, Rules())] == [("allow", "GET, POST", "GET")]

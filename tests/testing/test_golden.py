"""Golden cases: read from wherever they are kept, asked over HTTP, and told field by field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelport import Service, SetupError
from modelport.testing import client, replay
from tests.fronts.models import TRACK

Write = Callable[..., Path]


def answering() -> Service:
    """A model whose answer has fields in fields."""
    service = Service("s")

    @service.model("grade")
    def grade(points: int, name: str = "nobody") -> dict[str, object]:
        return {"prediction": "A" if points > 90 else "B", "detail": {"name": name, "marks": [points, points / 3]}}

    return service


def test_cases_that_are_answered_as_before_are_the_same(tmp_path: Path) -> None:
    lines = [
        {"record": {"points": 95}, "answer": "A"},
        {"record": {"points": 9, "name": "Ann"}, "answer": {"prediction": "B", "detail": {"marks": [9, 3.0000001]}}},
    ]
    (tmp_path / "cases.ndjson").write_text("\n".join(map(json.dumps, lines)) + "\n")
    found = replay(answering(), tmp_path / "cases.ndjson")
    assert found.same
    assert str(found) == "2 cases answered as before"
    found.check()


def test_what_differs_is_told_by_case_and_field(tmp_path: Path) -> None:
    cases = [
        ({"points": 95}, {"prediction": "A"}),
        ({"points": 9}, {"prediction": "A", "detail": {"name": "Ann", "marks": [9, 4]}, "more": 1}),
        ({"points": "many"}, "A"),
    ]
    found = replay(answering(), cases, tolerance=0.01)
    assert [(d.place, d.field) for d in found.differences] == [
        ("case 2", "prediction"),
        ("case 2", "detail.name"),
        ("case 2", "detail.marks[1]"),
        ("case 2", "more"),
        ("case 3", "status"),
    ]
    assert str(found).splitlines()[:2] == [
        "2 of 3 cases answered otherwise",
        "  case 2: prediction: expected 'A', got 'B'",
    ]
    with pytest.raises(AssertionError, match="case 2: prediction: expected 'A', got 'B'"):
        found.check()


def test_a_table_of_cases_is_read_by_the_types_of_the_model(tmp_path: Path) -> None:
    table = "points,name,prediction,detail.name\n95,007,A,007\n1,,B,nobody\n"
    (tmp_path / "cases.csv").write_text(table)
    found = replay(answering(), tmp_path / "cases.csv", answer="prediction,detail.name")
    assert [d.field for d in found.differences] == [
        "status"
    ]  # a model in Python tells no types: 007 looks like a number
    (tmp_path / "cases.csv").write_text(table.replace("007", "Ann"))
    assert replay(answering(), tmp_path / "cases.csv", answer="prediction,detail.name").same


def test_a_case_of_a_saved_model_is_found_by_its_line(fake: Write, tmp_path: Path) -> None:
    names = list(TRACK)
    rows = [
        ",".join([*names, "prediction"]),
        ",".join([*("" if TRACK[name] is None else str(TRACK[name]) for name in names), "124"]),
    ]
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    found = replay(fake("track"), tmp_path / "cases.csv")
    assert [str(d) for d in found.differences] == [f"{tmp_path / 'cases.csv'}:2: prediction: expected 124, got 123.0"]


def test_an_open_client_is_asked_as_it_is(fake: Write) -> None:
    service = answering()
    service.model("track", fake("track"))
    with client(service) as api:
        assert replay(api, [(TRACK, 123)], model="track").same
        with pytest.raises(SetupError, match="say which model is asked, with model=…: there are grade, track"):
            replay(api, [(TRACK, 123)])
        with pytest.raises(SetupError, match="there is no model 'genre': grade, track"):
            replay(api, [(TRACK, 123)], model="genre")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "a.ndjson",
            '{"record": {}, "answer": 1}\n{"record": {}}\n',
            r'a\.ndjson:2 wants  \{"record": …, "answer": …\}',
        ),
        ("a.ndjson", "{", r"a\.ndjson:1 is no JSON"),
        ("a.csv", "points,label\n1,A\n", r"has no column 'prediction' .* it has points, label"),
        ("a.csv", "points,prediction\n1\n", r"a\.csv:2 has not as many cells"),
        ("a.txt", "", r"a\.txt is no file of cases"),
    ],
)
def test_cases_that_cannot_be_read_are_named(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SetupError, match=complaint):
        replay(answering(), tmp_path / name)


def test_only_a_bundle_brings_cases_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="replay wants cases"):
        replay(answering())
    with pytest.raises(SetupError, match=r"gone\.ndjson does not exist"):
        replay(answering(), tmp_path / "gone.ndjson")

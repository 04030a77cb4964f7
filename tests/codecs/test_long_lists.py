"""Long lists are read slice by slice: the same answers as in one step, in steps that are short."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.codecs import typed
from modelport.codecs.slices import DEPTH, cut_list
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.errors import InvalidInput, MalformedBody

texts = st.text(st.sampled_from('a"\\,[]{}: é\n'))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def body_of(function: Any, batch: bool = False) -> TypedBody:
    """How the bodies of a function are read."""
    return read_body_type(function, batch, None, "here")


def anything(x: Any) -> None:
    """Takes whatever there is."""


def pair(x: float, y: int) -> float:
    """Takes two numbers."""
    return x + y


@settings(max_examples=60)
@given(st.lists(values, min_size=1), st.sampled_from([None, 1]), st.integers(0, 2))
def test_the_elements_of_the_slices_are_those_of_the_list(items: list[Any], indent: int | None, more: int) -> None:
    items = items * 7**more
    body = json.dumps(items, indent=indent, ensure_ascii=False).encode()
    parts = list(cut_list(body))
    assert [item for _, part in parts for item in json.loads(part)] == items
    assert [size for size, _ in parts[:-1]] == [len(json.loads(part)) for _, part in parts[:-1]]


def is_json(text: bytes) -> bool:
    """Whether it can be parsed."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(st.lists(values, max_size=40), st.binary(max_size=3), st.integers(0))
def test_what_is_no_list_has_a_part_that_is_none(items: list[Any], junk: bytes, place: int) -> None:
    body = json.dumps(items).encode()
    at = 1 + place % len(body)
    body = body[:at] + junk + body[at:]
    if not is_json(body):
        assert not all(is_json(part) for _, part in cut_list(body))


def test_what_is_nested_too_deeply_to_be_cut_is_one_part_with_all_that_follows() -> None:
    deep = json.loads("[" * (DEPTH + 2) + "]" * (DEPTH + 2))
    items = [1, deep, 2, 3]
    assert [json.loads(part) for _, part in cut_list(json.dumps(items).encode())] == [[1], [deep, 2, 3]]


@given(st.lists(st.fixed_dictionaries({"x": st.floats(allow_nan=False) | st.text(), "y": st.integers()}), min_size=1))
def test_a_long_list_is_read_and_refused_as_a_short_one(items: list[dict[str, Any]]) -> None:
    body, data = body_of(pair), json.dumps(items * 9).encode()
    outcomes = []
    for long_body in (0, 2**30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(typed, "LONG_BODY", long_body)
            try:
                outcomes.append([body.arguments(value) for value in body.decode(data)[0]])
            except InvalidInput as error:
                outcomes.append(list(error.problems))  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("end", [b",]", b"", b"]]", b",,1]", b',"x]', b"}"])
def test_a_long_body_that_is_no_json_is_told_where(end: bytes) -> None:
    data = b'[{"x": 1, "y": 2},\n' + b",".join([b'{"x": 1, "y": 2}'] * 5000) + end
    with pytest.raises(MalformedBody) as refused:
        body_of(pair).decode(data)
    assert "at line 2, column" in refused.value.problems[0].message


def test_a_body_full_of_wrong_values_is_refused_after_the_first_few_thousand() -> None:
    data = b"[" + b",".join([b"{}"] * 2_000_000) + b"]"
    began = time.thread_time()
    with pytest.raises(InvalidInput) as refused:
        body_of(pair).decode(data)
    assert [problem.type for problem in refused.value.problems] == ["too_many_problems"]
    assert "more than 5,000 problems" in refused.value.problems[0].message
    assert time.thread_time() - began < 2  # all of them took more than ten

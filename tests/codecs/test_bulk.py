"""An array that is read in one step is the array that careful reading gives, and whatever is wrong is told as before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import AfterValidator

from modelport import Array
from modelport.codecs import bulk
from modelport.codecs.arrays import Array as Declared
from modelport.codecs.json import count_bodies, is_list_of_bodies, may_hold_many
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.errors import InvalidInput

DECLARED = [
    Declared("float64"),
    Declared("float32", (None, 2)),
    Declared("float64", (None,), finite=False),
    Declared("int8"),
    Declared("uint64", (None,)),
    Declared("bool"),
]
numbers = st.one_of(
    st.integers(-300, 300),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from([2.0, "x"]),
)
values = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


def body_of(declared: Declared) -> TypedBody:
    """How the body of a function is read that takes this array."""

    def function(x: Any) -> float:
        return 0.0

    function.__annotations__["x"] = Annotated[np.ndarray, declared]
    return read_body_type(function, False, None, "app.py:3")


class Careful(TypedBody):
    """The same, without the quick way."""

    @cached_property
    def _bulk(self) -> None:
        return None


def careful(body: TypedBody) -> TypedBody:
    """The same, without the quick way."""
    return Careful(**{f: getattr(body, f) for f in body.__dataclass_fields__})


def outcome(read: Callable[[bytes], Any], body: bytes) -> Any:
    """What comes of a body, in a form that can be compared."""
    try:
        records, listed = read(body)
    except InvalidInput as error:
        return [(p.loc, p.message, p.type, p.hint) for p in error.problems]
    return [(r.dtype, r.shape, r.tobytes()) for r in records], listed


@pytest.mark.parametrize("declared", DECLARED, ids=lambda d: f"{d.name}{d.shape}")
@settings(max_examples=40, deadline=None)
@given(value=values)
def test_what_is_read_in_one_step_is_what_careful_reading_gives(declared: Declared, value: Any) -> None:
    body = json.dumps(value).encode()
    typed = body_of(declared)
    assert outcome(typed.decode, body) == outcome(careful(typed).decode, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"[1,]",
        b"[1, NaN]",
        b"[1e400]",
        b"[1, Infinity]",
        b"\xef\xbb\xbf[1]",
        b"[1] x",
        b"[" * 40 + b"]" * 40,
        b"[1, 2.5, true]",
        b'["1"]',
        b"[[1], [2, 3]]",
        b"[[1], 2]",
        b"\xff",
        b"{}",
        b"[1.5e-400]",
        b"[-0]",
        b" [ 1 , 2 ] ",
    ],
)
def test_a_body_that_is_no_such_array_is_refused_in_the_same_words(body: bytes) -> None:
    typed = body_of(Declared("float64"))
    assert outcome(typed.decode, body) == outcome(careful(typed).decode, body)


def test_a_large_array_is_read_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def wants(x: NDArray[np.float64]) -> float:
        return 0.0

    def never(*_: Any) -> Any:
        raise AssertionError("it was read with care")

    monkeypatch.setattr("modelport.codecs.typed.read_strictly", never)
    (array,), listed = read_body_type(wants, False, None, "app.py:3").decode(json.dumps([0.1] * 100_000).encode())
    assert (array.shape, array.dtype, listed) == ((100_000,), np.float64, False)


def small(array: Any) -> Any:
    """A validator of the user's."""
    if array.size > 2:
        raise ValueError("too many")
    return array


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_long_rows_are_the_same_array_and_may_be_written_to(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(60, 70)), data.draw(st.integers(0, 3))
    flat = [data.draw(st.floats(width=32)) if n % 17 == 0 else n / 7 for n in range(width)]
    value = [flat] * height if height else flat
    if height and data.draw(st.booleans()):
        value = [*value, flat[:-1]]
    body = json.dumps(value).encode()
    for declared in (DECLARED[0], Declared("float32", (None, None) if height else (None,))):
        typed = body_of(declared)
        found = outcome(typed.decode, body)
        assert found == outcome(careful(typed).decode, body)
        if isinstance(found, tuple):
            assert typed.decode(body)[0][0].flags.writeable


def test_an_array_with_a_validator_of_its_own_is_not_read_past_it() -> None:
    def wants(x: Annotated[np.ndarray, Array("float64"), AfterValidator(small)]) -> float:
        return 0.0

    with pytest.raises(InvalidInput, match="too many"):
        read_body_type(wants, False, None, "app.py:3").decode(b"[1, 2, 3]")


def test_a_refusal_of_the_quick_way_is_one_of_those_that_are_caught() -> None:
    read = bulk.compile_bulk_reader(replace(Declared("int8"), shape=(None,)))
    for body in (b"[300]", b"[[1]]", b"[1.5]", b"nonsense"):
        with pytest.raises(bulk.REFUSALS):
            read(body)


@settings(max_examples=200, deadline=None)
@given(st.text(" \n[]{1,", max_size=300), st.integers(0, 3))
def test_the_first_bytes_never_say_that_a_list_of_bodies_is_none(text: str, depth: int) -> None:
    body = text.encode()
    if is_list_of_bodies(body, depth):
        assert may_hold_many(body, depth)
    if not may_hold_many(body, depth):
        assert count_bodies(body, depth) == 1


def test_the_first_bytes_of_a_long_array_say_that_it_is_one_body() -> None:
    assert not may_hold_many(b"[" + b"0.5," * 100_000 + b"1]", 1)
    assert may_hold_many(b" " * 100_000 + b"[[1]]", 1)
    assert may_hold_many(b"[" * 300, 32)

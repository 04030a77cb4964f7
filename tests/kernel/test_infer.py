"""Signatures from random columns of data: no column crashes, and what is inferred accepts its own example."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelport.codecs.json import compile_decoder, encode
from modelport.errors import SignatureError
from modelport.fronts.openapi import record_schema
from modelport.kernel.infer import ignored_columns, missing_columns, name_inputs, positional_names, refine
from modelport.kernel.ports import Hints
from modelport.kernel.profile import Column, profile_cells, profile_values
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from tests.codecs.signatures import NAMES, signatures

ODD_CELLS = (
    *(
        "",
        " ",
        "NA",
        "nan",
        "None",
        "true",
        "False",
        "TRUE",
        "0",
        "-0",
        "007",
        "1_000",
        "1.5",
        "1e5",
        "1e400",
        "-1e400",
    ),
    *("inf", "-Infinity", "٣", "½", "²", "0x10", "1,5", "x" * 300, "\x00", "+1", " 7 ", "1.", ".5"),
)
FLOATS = st.floats()
INTS = st.integers()
CELLS = st.sampled_from(ODD_CELLS) | st.text(max_size=4) | INTS.map(str) | FLOATS.map(str)
KINDS_OF_CELLS = st.sampled_from(
    [
        CELLS,
        st.sampled_from(["true", "False", ""]),
        INTS.map(str) | st.just(""),
        FLOATS.map(str),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["inf", "1"]),
    ]
)
VALUES = st.none() | st.booleans() | INTS | FLOATS | st.text(max_size=4) | st.binary(max_size=2) | st.dates()
KINDS_OF_VALUES = st.sampled_from([VALUES, INTS | st.none(), FLOATS, st.text(max_size=4), st.booleans()])


@st.composite
def columns_of_cells(draw: st.DrawFn, name: str = "c") -> Column:
    """The profile of a column of a CSV file."""
    cells = draw(st.lists(draw(KINDS_OF_CELLS), min_size=1, max_size=12))
    return profile_cells(name, cells, draw(st.none() | st.integers(0, len(cells) - 1)))


@st.composite
def columns_of_values(draw: st.DrawFn, name: str = "c") -> Column:
    """The profile of a column of a Parquet file."""
    values: list[Any] = draw(st.lists(draw(KINDS_OF_VALUES), min_size=1, max_size=12))
    return profile_values(name, values, draw(st.none() | st.integers(0, len(values) - 1)))


COLUMNS = columns_of_cells() | columns_of_values()


@given(COLUMNS)
@settings(max_examples=400, deadline=None)
def test_any_column_has_a_profile(column: Column) -> None:
    assert 0 <= column.nulls <= column.rows
    if column.low is not None and column.high is not None:
        assert math.isfinite(column.low)
        assert math.isfinite(column.high)
        assert column.low <= column.high
    assert not column.categories or column.kind is Kind.STRING


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_whole_numbers_beyond_64_bits_lead_to_an_example_that_is_accepted(digits: int) -> None:
    column = profile_cells("c", ["9" * digits, "1"], 0)
    check_signature(refine([Field("c")], Hints(columns={"c": column})))


@pytest.mark.parametrize(
    ("f", "cells"), [(Field("c"), ["1e300", "2e300"]), (Field("c", Kind.INT, dtype="int8"), ["300", "400"])]
)
def test_data_beyond_the_models_own_type_leads_to_an_example_that_is_accepted(f: Field, cells: list[str]) -> None:
    check_signature(refine([f], Hints(columns={"c": profile_cells("c", cells, None)})))


def test_data_of_whole_numbers_leaves_the_categories_of_a_float_field_alone() -> None:
    column = profile_cells("c", ["1", "2"], None)
    check_signature(refine([Field("c", categories=(0.5, 1.0), closed=True)], Hints(columns={"c": column})))


@given(COLUMNS, signatures(tensors=False))
@settings(max_examples=500, deadline=None)
def test_whatever_the_data_says_a_refined_signature_compiles_documents_itself_and_accepts_its_example(
    column: Column, signature: Signature
) -> None:
    hints = Hints(columns={f.name: column for f in signature.inputs})
    assume(all(f.kind is not Kind.FLOAT or max(f.high or 0, -(f.low or 0)) < 2**62 for f in signature.inputs))
    refined = check_signature(refine(signature.inputs, hints))
    assert refined.names == signature.names


@given(COLUMNS, st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_field_of_which_nothing_is_known_becomes_what_the_data_shows(column: Column, guessed: bool) -> None:
    (f,) = refine([Field("c", guessed=guessed)], Hints(columns={"c": column}))
    check_signature([f])
    if guessed and column.nulls < column.rows:
        assert f.kind is column.kind
        assert f.nullable == (column.nulls > 0)


def check_signature(fields: Sequence[Field]) -> Signature:
    """A signature that works: compiles, documents itself in JSON, accepts its own example."""
    signature = Signature(Task.REGRESS, tuple(fields), (Output("prediction"),))
    json.dumps(json.loads(encode(record_schema(signature))), allow_nan=False)
    decoded = compile_decoder(signature)(encode(signature.example()))
    assert len(decoded.records) == 1
    return signature


@given(st.integers(1, 6), st.lists(NAMES, max_size=6), st.lists(NAMES, max_size=8, unique=True), st.none() | NAMES)
@settings(max_examples=500, deadline=None)
def test_inputs_are_named_or_the_user_is_asked(
    count: int, features: list[str], columns: list[str], target: str | None
) -> None:
    hints = Hints(tuple(features), target, {name: Column(name, Kind.FLOAT, 1, 0) for name in columns})
    with contextlib.suppress(SignatureError):
        names, positional, reason = name_inputs(count, hints)
        assert len(names) == len(set(names)) == count
        assert positional == (names == positional_names(count) and not features and not columns)
        assert reason


@given(st.lists(NAMES, max_size=8, unique=True), signatures())
def test_columns_that_do_not_match_are_told(columns: list[str], signature: Signature) -> None:
    hints = Hints(columns={name: Column(name, Kind.FLOAT, 1, 0) for name in columns})
    assert set(ignored_columns(signature, hints)) == set(columns) - set(signature.names)
    assert set(missing_columns(signature, hints)) == (set(signature.names) - set(columns) if columns else set())


def test_more_columns_than_inputs_ask_for_features_with_a_line_that_can_be_copied() -> None:
    columns = {name: Column(name, Kind.FLOAT, 1, 0) for name in ("id", "tempo", "energy", "genre")}
    with pytest.raises(SignatureError, match="--features tempo,energy"):
        name_inputs(2, Hints(target="genre", columns=columns))

"""Whatever models return, as JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict

from modelport.codecs.answers import UnknownAnswer, encode_answer


class Genre(enum.Enum):
    """A label, and a number of NumPy's."""

    ROCK = "rock"
    SCORE = np.float32(0.1)


@dataclasses.dataclass
class Verdict:
    """A record."""

    scores: Any
    sure: float = math.nan


class Mood(BaseModel):
    """A record with an array in it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    vector: Any = None
    when: dt.datetime = dt.datetime(2026, 1, 2)


class Tensor:
    """Speaks as tensors do, and is none that we know."""

    def detach(self) -> Tensor:
        """Itself."""
        return self

    def cpu(self) -> Tensor:
        """Itself."""
        return self

    def numpy(self) -> Any:
        """Its numbers."""
        return np.array([0.1, np.nan], "float32")


class MyThing:
    """Nobody can write it."""


FRAME = pd.DataFrame(
    {
        "n": [1, 2],
        "x": [0.5, np.nan],
        "f": np.array([0.1, 0.2], "float32"),
        "day": pd.to_datetime(["2026-01-02", None]),
        "word": ["a", None],
        "maybe": pd.array([1, None], dtype="Int64"),
        "kind": pd.Categorical(["u", "v"]),
    }
)


def read_strictly(encoded: bytes) -> Any:
    """What a strict parser makes of it: bare NaN and Infinity are no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(encoded, parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.3), "0.3"),
        (np.float16(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (np.int64(-3), "-3"),
        (np.bool_(True), "true"),
        (np.array(3.5, "float32"), "3.5"),
        (np.array([0.1, 1e30], ">f4"), "[0.1,1e+30]"),
        (np.eye(2, dtype="float32").T[:, ::-1], "[[0.0,1.0],[1.0,0.0]]"),
        (np.array(["a", "b"]), '["a","b"]'),
        (np.array(["2026", "NaT"], "M8[D]"), '["2026-01-01T00:00:00",null]'),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), '[{"a":1,"b":2.0}]'),
        (np.array([0.5], "longdouble"), "[0.5]"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "[1.0,null]"),
        ({np.int64(3): 1, None: 2, True: 3}, '{"3":1,"null":2,"true":3}'),
        (Genre.ROCK, '"rock"'),
        (Genre.SCORE, "0.1"),
        (Decimal("1.50"), '"1.50"'),
        (UUID(int=3), '"00000000-0000-0000-0000-000000000003"'),
        (PurePosixPath("/x"), '"/x"'),
        (b"abc", '"YWJj"'),
        ({7}, "[7]"),
        (range(3), "[0,1,2]"),
        (dt.date(2026, 1, 2), '"2026-01-02"'),
        (pd.Timestamp("2026-01-02"), '"2026-01-02T00:00:00"'),
        ([pd.NaT, pd.NA], "[null,null]"),
        (FRAME["n"], "[1,2]"),
        (FRAME["f"], "[0.1,0.2]"),
        (FRAME["maybe"], "[1,null]"),
        (Mood(vector=np.array([0.1], "float32")), '{"vector":[0.1],"when":"2026-01-02T00:00:00"}'),
    ],
)
def test_a_value_is_written_as_people_expect_it(value: Any, written: str) -> None:
    assert encode_answer(value).decode() == written
    assert getattr(encode_answer(value), "non_finite", 0) == 0


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (math.nan, 1),
        ({"p": np.float32("inf"), "none": None}, 1),
        (np.array([1, np.nan, -np.inf], "float32"), 2),
        (Verdict(np.array([np.nan])), 2),
        (Mood(vector=np.array([np.inf])), 1),
        (FRAME, 1),
        (Tensor(), 1),
        (pd.Series([np.nan, 1.0]), 1),
    ],
)
def test_numbers_that_are_none_become_null_and_are_counted_wherever_they_are(value: Any, count: int) -> None:
    encoded = encode_answer(value)
    read_strictly(encoded)
    assert encoded.non_finite == count  # type: ignore[attr-defined]


def test_a_mixed_answer_is_strict_json() -> None:
    answer = {"p": np.float32(0.3), "v": np.arange(3), "df": FRAME[["n", "x"]], "bad": math.nan, "t": Tensor()}
    encoded = encode_answer(answer)
    records = [{"n": 1, "x": 0.5}, {"n": 2, "x": None}]
    assert read_strictly(encoded) == {"p": 0.3, "v": [0, 1, 2], "df": records, "bad": None, "t": [0.1, None]}
    assert encoded.non_finite == 3  # type: ignore[attr-defined]


def test_every_float32_comes_back_as_it_was() -> None:
    numbers = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    assert np.array_equal(np.array(json.loads(encode_answer(numbers)), "float32"), numbers)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"t": [MyThing()]}, "result['t'][0] is a "),
        (Verdict([{"a": 1j}]), "result.scores[0]['a'] is a builtins.complex"),
        ({(1, 2): 3}, "result has the key (1, 2)"),
        ("\ud800", "no Unicode"),
        ((i for i in "ab"), "generator"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns called 'a'"),
        (np.array([1 + 1j]), "complex numbers"),
    ],
)
def test_what_cannot_be_written_is_named_with_the_way_to_it(value: Any, said: str) -> None:
    with pytest.raises(UnknownAnswer) as caught:
        encode_answer(value)
    assert said in str(caught.value)


def test_an_answer_that_holds_itself_is_told() -> None:
    answer: list[Any] = []
    answer.append(answer)
    with pytest.raises(UnknownAnswer, match="holds itself"):
        encode_answer(answer)

"""What is declared wrongly ends the start with file, line and remedy, and what is written as usual is read."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, NotRequired, Required, TypedDict, TypeVar

import pytest
from fastapi import Depends
from pydantic import BaseModel, Field
from typing_extensions import TypedDict as ExtendedTypedDict

from modelport import Service
from modelport.assembly.handlers import check_service, load_declared
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.config import ServeOptions
from modelport.errors import ConfigError, InvalidInput

T = TypeVar("T")
HERE = Path(__file__).name


def read(function: Callable[..., Any], batch: bool = False) -> TypedBody:
    """Its annotations."""
    return read_body_type(function, batch, None, "app.py:1")


# -- TypedDict -------------------------------------------------------------------------------------------------------


class Inner(TypedDict):
    """Held by the next one."""

    x: float


class Song(TypedDict, total=False):
    """Some keys may be left out."""

    title: Required[str]
    beats: int
    parts: list[Inner]


class Extended(ExtendedTypedDict):
    """The same of the other module."""

    title: str
    beats: NotRequired[int]


def song(song: Song) -> Song:
    return song


def extended(song: Extended) -> list[Extended]:
    return [song]


def songs(songs: list[Song]) -> list[Inner]:
    return [{"x": 1.0} for _ in songs]


@pytest.mark.parametrize("function", [song, extended])
def test_a_typed_dict_of_either_module_is_a_body_and_an_answer(function: Callable[..., Any]) -> None:
    body = read(function)
    assert body.decode(b'{"title": "a", "beats": 2}') == ([{"title": "a", "beats": 2}], False)
    assert body.decode(b'{"title": "a"}') == ([{"title": "a"}], False)
    for wrong in (b'{"beats": 2}', b'{"title": "a", "beats": "x"}'):
        with pytest.raises(InvalidInput):
            body.decode(wrong)
    assert body.answer is not None
    assert body.schemas("m")["body"]["required"] == ["title"]


def test_a_typed_dict_may_hold_others_and_stand_in_a_batch() -> None:
    body = read(songs, batch=True)
    records, listed = body.decode(b'[{"title": "a", "parts": [{"x": 1}]}]')
    assert (records, listed) == ([{"title": "a", "parts": [{"x": 1.0}]}], True)
    with pytest.raises(InvalidInput):
        body.decode(b'{"title": "a", "parts": [{"y": 1}]}')


@dataclass
class Box(Generic[T]):
    """A record of any kind."""

    item: T


def boxed(box: Box[int]) -> Box[int]:
    return box


def test_a_record_of_a_generic_class_is_the_body() -> None:
    assert read(boxed).decode(b'{"item": 3}') == ([Box(3)], False)


# -- defaults and answers --------------------------------------------------------------------------------------------


def unfit(x: int = "seven") -> int:  # type: ignore[assignment]
    return x


def described(x: float = Field(gt=0)) -> float:
    return x


def fitting(a: float = 1, b: list[float] = [], c: str | None = None, d: Annotated[int, Field(ge=0)] = 0) -> float:  # noqa: B006
    return a


def test_a_default_that_is_none_of_its_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^app.py:1: the default of 'x' is 'seven', which is no int: "):
        read(unfit)
    with pytest.raises(ConfigError, match=r"write  x: Annotated\[float, Field\(…\)\],  and the default itself"):
        read(described)
    assert read(fitting).decode(b"{}")[1] is False


def one_number(xs: list[float]) -> float:
    return sum(xs)


def one_object(xs: list[float]) -> dict[str, float]:
    return {}


class Verdict(BaseModel):
    """An answer."""

    score: float


def one_record(xs: list[float]) -> Verdict:
    return Verdict(score=1)


@pytest.mark.parametrize(
    ("function", "shown"), [(one_number, "float"), (one_object, "dict[str, float]"), (one_record, "Verdict")]
)
def test_a_batch_that_says_it_answers_once_is_refused(function: Callable[..., Any], shown: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"this says {shown}: write  -> list[{shown}]")):
        read(function, batch=True)


# -- what is declared ------------------------------------------------------------------------------------------------


class Wanting:
    """Cannot be made by anybody else."""

    def __init__(self, path: str) -> None:
        self.path = path

    def predict(self, x: float) -> float:
        return x


class Loading:
    """Wants something when it loads."""

    def load(self, path: str) -> None:
        self.path = path

    def predict(self, x: float) -> float:
        return x


@pytest.mark.parametrize(("kind", "said"), [(Wanting, "path when it is made"), (Loading, "path in load")])
def test_a_class_that_wants_arguments_is_refused_where_it_is_declared(kind: type, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: the class {kind.__name__} wants {said}.*load\(self\)"):
        Service("s").model("m")(kind)


def test_an_object_is_no_model() -> None:
    for target in (Wanting("x"), functools.partial(one_number, [1.0])):
        with pytest.raises(ConfigError, match=rf"{HERE}:\d+: a model in Python is a function or a class"):
            Service("s").model("m")(target)  # type: ignore[type-var]
    Service("s").model("m")(functools.lru_cache(fitting))
    Service("s").model("m")(Wanting("x").predict)


def test_forgotten_parentheses_are_told_with_their_line() -> None:
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: write @service.model\(\) with parentheses"):
        Service("s").model(fitting)  # type: ignore[call-overload]


def test_an_example_that_the_function_does_not_stand_is_named_as_that() -> None:
    service = Service("s")

    @service.model(example={"x": 0})
    def inverse(x: float) -> float:
        return 1 / x

    check_service(service, ServeOptions())
    with asyncio.Runner() as runner, pytest.raises(ConfigError, match=rf"{HERE}:\d+: the example: ZeroDivisionError"):
        load_declared(service.models["inverse"], runner.get_loop())


def test_a_bare_function_is_no_dependency() -> None:
    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: .*write  dependencies=\[Depends\(fitting\)\]"):
        Service("s", dependencies=[fitting])
    assert Service("s", dependencies=[Depends(fitting)]).serves_web

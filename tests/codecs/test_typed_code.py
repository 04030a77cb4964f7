"""Which annotations run the user's code when a body is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, field_validator

from modelport.codecs.typed import MAX_COUNTED, read_body_type
from modelport.errors import InvalidInput


class Plain(BaseModel):
    """Nothing of its own."""

    x: float = Field(1.0, ge=0)
    when: datetime | None = None
    kind: Literal["a", "b"] = "a"
    more: dict[str, list[int]] = {}


class Validated(BaseModel):
    """A validator."""

    x: float

    @field_validator("x")
    @classmethod
    def check(cls, value: float) -> float:
        """Anything."""
        return value


class Nested(BaseModel):
    """One further in."""

    inner: list[Validated]


class Finished(BaseModel):
    """Code after the fields are read."""

    x: float

    def model_post_init(self, context: Any) -> None:
        """Anything."""


class Made(BaseModel):
    """A constructor of its own."""

    x: float

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Factory(BaseModel):
    """A default that is made."""

    x: list[int] = Field(default_factory=lambda: [1])


@dataclass
class Posted:
    """Code after construction."""

    x: float

    def __post_init__(self) -> None:
        """Anything."""


def body_of(kind: Any) -> Any:
    """The body of a function with one parameter of this type."""

    def predict(item: Any) -> float:
        return 1.0

    predict.__annotations__["item"] = kind
    return read_body_type(predict, False, None, "app.py:1")


@pytest.mark.parametrize("kind", [Plain, float, list[float], dict[str, Plain]])
def test_plain_types_run_no_code(kind: Any) -> None:
    assert not body_of(kind).runs_code


@pytest.mark.parametrize(
    "kind", [Validated, Nested, Finished, Made, Factory, Posted, Annotated[float, AfterValidator(abs)], list[Validated]]
)
def test_code_of_the_user_is_found_wherever_it_stands(kind: Any) -> None:
    assert body_of(kind).runs_code


def test_a_body_with_very_many_problems_is_told_their_number() -> None:
    body = b'{"item": [' + b'"a",' * MAX_COUNTED + b'"a"]}'
    with pytest.raises(InvalidInput, match="5,001 problems") as caught:
        body_of(list[float]).decode(body)
    assert len(caught.value.problems) == 1


class Awkward(BaseModel):
    """Fields named as parts of a schema are."""

    metadata: Validated


def test_a_field_with_a_name_of_ours_hides_nothing() -> None:
    assert body_of(Awkward).runs_code

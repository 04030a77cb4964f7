"""Answers held against the return annotation of their function. How is decided when the model is loaded."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from modelport.codecs.answers import encode_answer, tensor_array
from modelport.codecs.arrays import Array, compile_reader
from modelport.codecs.hints import marker_of

Check = Callable[[Any], Any]
MAX_SHOWN = 5


class WrongAnswer(TypeError):
    """An answer is not what its function says it returns. The message names the field."""


def compile_check(answer: TypeAdapter[Any] | None) -> Check | None:
    """A function that gives an answer back as it is declared, or raises WrongAnswer. None where nothing is declared."""
    if answer is None:
        return None
    kind = answer._type
    if kind in (bool, int, float, str):
        return _check_scalar(kind, answer)
    marker = marker_of(kind)
    return _check_array(marker) if isinstance(marker, Array) else _check_any(answer)


def _check_scalar(kind: Any, answer: TypeAdapter[Any]) -> Check:
    careful = _check_any(answer)
    return lambda value: value if type(value) is kind else careful(value)


def _check_array(declared: Array) -> Check:
    read = compile_reader(declared, copy=False)  # it is written at once

    def check(value: Any) -> Any:
        from pydantic_core import PydanticCustomError

        try:
            return read(tensor_array(value) if hasattr(value, "detach") else value)
        except PydanticCustomError as error:
            raise WrongAnswer(f"result: {error.message()}") from None

    return check


def _check_any(answer: TypeAdapter[Any]) -> Check:
    """As an object first; what is not one of the declared kind may still look like it once it is written."""

    def check(value: Any) -> Any:
        try:
            answer.validate_python(value, strict=True)
        except ValidationError:
            return _check_written(answer, value)
        return value  # as it was: Pydantic would make a float64 of a float32

    return check


def _check_written(answer: TypeAdapter[Any], value: Any) -> Any:
    """NumPy's numbers for float, an array for a list, a dictionary for a record: what the caller reads is what counts."""
    encoded = encode_answer(value)
    try:
        checked = answer.validate_json(encoded, strict=True)
    except ValidationError as error:
        none_numbers = getattr(encoded, "non_finite", 0)
        wrong = [e for e in error.errors(include_url=False) if not (none_numbers and e["input"] is None)]
        if wrong:
            raise WrongAnswer(_describe(wrong)) from None
        return value
    return value if isinstance(checked, (list, numbers.Number)) else checked


def _describe(wrong: list[Any]) -> str:
    parts = [f"{_path(e['loc'])}: {e['msg']}, not {_short(e['input'])}" for e in wrong[:MAX_SHOWN]]
    return "; ".join(parts) + (f"; and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else "")


def _path(loc: tuple[int | str, ...]) -> str:
    return "result" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"

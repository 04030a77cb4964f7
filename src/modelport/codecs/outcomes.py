"""From what a function returned to what its caller gets: checked, written, or a failure whose cause is for the log alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from modelport.codecs.answers import UnknownAnswer, encode_answer
from modelport.codecs.declared import WrongAnswer, compile_check
from modelport.kernel.values import Failure

Write = Callable[[Any], bytes | Failure]
WRONG, UNKNOWN = "does not fit its annotation", "cannot be written"


def compile_writer(answer: TypeAdapter[Any] | None) -> Write:
    """How answers of one function become JSON; decided once, by its return annotation."""
    check = compile_check(answer)

    def write(value: Any) -> bytes | Failure:
        try:
            return encode_answer(value)
        except UnknownAnswer as error:
            return wrong_answer(UNKNOWN, error)

    def write_checked(value: Any) -> bytes | Failure:
        assert check is not None
        try:
            return encode_answer(check(value))
        except (UnknownAnswer, WrongAnswer) as error:
            return wrong_answer(WRONG if isinstance(error, WrongAnswer) else UNKNOWN, error)

    return write if check is None else write_checked


def wrong_answer(what: str, error: Exception) -> Failure:
    """The caller is told that the answer was wrong, the log in what."""
    return Failure("wrong_answer", "The model gave an answer that it should not give", f"the answer {what}: {error}")

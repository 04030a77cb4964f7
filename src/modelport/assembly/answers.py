"""From the answer of a model, as it crossed, to what the code that called it gets: a value, or an exception naming the model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from modelport.codecs.json import is_list_of_bodies, parse_answer, split_answers
from modelport.codecs.media import JSON
from modelport.codecs.records import accepted, compile_sender, read_binary, send_json
from modelport.codecs.stream_forms import COLLECTED
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.errors import (
    CallCycle,
    CallError,
    DeadlineExceeded,
    HolderLost,
    InvalidInput,
    ModelFailed,
    NotReady,
    Overloaded,
    Problem,
)
from modelport.service import ModelSpec

Headers = Sequence[tuple[bytes, bytes]]


class Carrier(NamedTuple):
    """How calls of one model cross.

    `send`: from a record to its body, the media type of that, and the one that its answer is wanted in. `read`: from the
    body that was sent and the answer that came to the value.
    """

    send: Callable[[Any], tuple[bytes, bytes, bytes]]
    read: Callable[[bytes, bytes, Headers], Any]


ERRORS: dict[str, type[CallError]] = {
    error.code: error for error in (NotReady, Overloaded, DeadlineExceeded, HolderLost, CallCycle, ModelFailed)
}
BY_STATUS: dict[int, type[CallError]] = {503: NotReady, 504: DeadlineExceeded}


def error_of(model: str, status: int, body: bytes) -> CallError:
    """The exception for an error answer: the same kinds that HTTP callers tell apart by status and type."""
    problems = [_problem(model, detail) for detail in parse_answer(body)["detail"]]
    first = problems[0]
    kind = InvalidInput if 400 <= status < 500 else ERRORS.get(first.type) or BY_STATUS.get(status, ModelFailed)
    branch = " → ".join(str(part) for part in first.loc[3::2]) if first.loc[2:3] == ("model",) else ""
    message = f"{branch}: {first.message}" if branch else first.message
    error = InvalidInput(problems) if kind is InvalidInput else kind(message)
    error.model, error.problems = model, problems
    return error


def _problem(model: str, detail: dict[str, Any]) -> Problem:
    """With the branch that it is of in its place: of the model's own, or of one that it has called in its turn."""
    loc = tuple(detail["loc"])
    rest = loc[2:] if loc[:2] == ("model", model) else () if loc == ("server",) else loc
    return Problem(("model", model, *rest), detail["msg"], detail["type"], detail.get("input"), detail.get("hint", ""))


# -- values --------------------------------------------------------------------------------------------------------


def saved_carrier(model: str) -> Carrier:
    """Saved models answer plain objects."""

    def read(body: bytes, answer: bytes, headers: Headers) -> Any:
        value = parse_answer(answer)
        return _all_or_error(model, value, value) if isinstance(value, list) else value

    return Carrier(lambda record: (*send_json(record), b""), read)


def typed_carrier(spec: ModelSpec, binary: bool) -> Carrier:
    """Models in Python answer what their return annotation says: a Pydantic model is one again. Without one, plain JSON.
    `binary`: what is no JSON by nature crosses as what it is; in lists, as JSON.
    """
    typed = body_type(spec)
    write = compile_sender(typed) if binary else send_json
    wanted = accepted(typed) if binary and typed.stream is None else b""
    read_one = answer_reader(spec.name, typed)

    def send(record: Any) -> tuple[bytes, bytes, bytes]:
        body, media = write(record)
        if typed.stream is not None:
            return body, media, COLLECTED
        is_list = media == JSON and is_list_of_bodies(body, typed.list_depth)
        return body, media, b"" if is_list or not wanted else wanted + b", application/json;q=0.5"

    def read(body: bytes, answer: bytes, headers: Headers) -> Any:
        if typed.stream is not None:
            return [read_one(part) for part in split_answers(answer)]
        media = dict(headers).get(b"content-type", JSON) if wanted else JSON
        if media != JSON:
            return read_binary(media, answer)
        if not is_list_of_bodies(body, typed.list_depth):
            return read_one(answer)
        parts = split_answers(answer)
        plain = [parse_answer(part) if b'"error"' in part else None for part in parts]
        failed = [_is_failure(value) for value in plain]
        values = [value if bad else read_one(part) for value, part, bad in zip(plain, parts, failed, strict=True)]
        return _all_or_error(spec.name, plain, values)

    return Carrier(send, read)


def answer_reader(model: str, typed: TypedBody) -> Callable[[bytes], Any]:
    """For one answer, or one item of a stream."""

    def read_one(answer: bytes) -> Any:
        if typed.answer is None:
            return parse_answer(answer)
        try:
            return typed.answer.validate_json(answer, by_alias=True, by_name=True)
        except ValueError as error:
            reason = str(error).replace("\n", " ")[:200]
            raise _failed(model, f"its answer is not what its annotation says: {reason}") from None

    return read_one


def body_type(spec: ModelSpec) -> TypedBody:
    """The types of a declared model. Raises ConfigError with file and line."""
    function: Any = getattr(spec.target, "predict", spec.target) if inspect.isclass(spec.target) else spec.target
    return read_body_type(function, spec.batch, spec.example, spec.place)


def _is_failure(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"error"} and value["error"].keys() == {"code", "message"}


def _all_or_error(model: str, plain: list[Any], values: list[Any]) -> list[Any]:
    """The answers of a batch. Where one failed, an error that has them all: nobody mistakes a failure for an answer."""
    failed = [index for index, value in enumerate(plain) if _is_failure(value)]
    if not failed:
        return values
    answers = list(values)
    for index in failed:
        answers[index] = _failed(model, plain[index]["error"]["message"])
    error = _failed(model, f"{len(failed)} of {len(values)} records failed, the first at [{failed[0]}]")
    error.answers = answers
    raise error


def _failed(model: str, message: str) -> ModelFailed:
    error = ModelFailed(message)
    error.model, error.problems = model, [Problem(("model", model), message, error.code)]
    return error

"""The one table from errors to HTTP status codes, and the one shape of every error body."""

from __future__ import annotations

from collections.abc import Sequence

from modelport.codecs.json import encode_problems
from modelport.errors import (
    BodyTooLarge,
    CallError,
    DeadlineExceeded,
    InvalidInput,
    MalformedBody,
    ModelFailed,
    NotReady,
    Overloaded,
    Problem,
    UnsupportedMedia,
)
from modelport.kernel.values import Failure

STATUS: dict[type[CallError], int] = {
    CallError: 500,
    InvalidInput: 422,
    MalformedBody: 400,
    UnsupportedMedia: 415,
    BodyTooLarge: 413,
    NotReady: 503,
    Overloaded: 503,
    ModelFailed: 500,
    DeadlineExceeded: 504,
}


def status_of(error: CallError) -> int:
    """The status of an error, by its nearest listed class."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def error_body(error: CallError) -> bytes:
    """`{"detail": [{"loc", "msg", "type", "input", "hint"?}]}`."""
    if isinstance(error, InvalidInput):
        return encode_problems(list(error.problems))
    return simple_error(("server",), str(error), error.code)


def failure_body(model: str, failure: Failure) -> bytes:
    """The error body of a record that failed by itself."""
    hint = "the server's log names the cause under this request id" if failure.cause else ""
    return simple_error(("model", model), failure.message, failure.code, hint)


def simple_error(loc: Sequence[str | int], message: str, code: str, hint: str = "") -> bytes:
    """An error body with one entry."""
    return encode_problems([Problem(tuple(loc), message, code, None, hint)])

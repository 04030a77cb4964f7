"""The one table from errors to HTTP status codes, and the one shape of every error body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelport.codecs.json import encode_problems
from modelport.errors import (
    BodyTooLarge,
    CallCycle,
    CallError,
    DeadlineExceeded,
    HolderLost,
    InvalidInput,
    MalformedBody,
    ModelFailed,
    NotAcceptable,
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
    NotAcceptable: 406,
    BodyTooLarge: 413,
    NotReady: 503,
    Overloaded: 503,
    HolderLost: 503,
    CallCycle: 500,
    ModelFailed: 500,
    DeadlineExceeded: 504,
}


def status_of(error: CallError) -> int:
    """The status of an error, by its nearest listed class."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


HINTS = {
    "call_cycle": "have the models call one another in one direction only",
    "deadline_exceeded": (
        "say how many seconds you wait with the header Request-Timeout (at most 3600), send fewer records at once, "
        "or start the service with a longer --default-deadline"
    ),
    "head_too_large": "send fewer or shorter headers and a shorter path: 64 KiB in all",
    "slow_reader": "read on without long pauses; a model that declares a larger parallel lets more streams run at once",
    "stopped": "ask again: whoever serves next answers; a model with effects of its own may have had them already",
    "holder_lost": "what its code had done already is not known, so the call was not repeated: repeat it if that does no harm",
    "internal_error": "the server's log has the cause under this request id",
    "invalid_http": "send HTTP/1.1; a service without --tls-cert and --tls-key answers http:// alone, one with them https:// alone",
    "not_ready": "ask again after the seconds that Retry-After says; GET /readyz tells when it is ready",
    "overloaded": "ask again after the seconds that Retry-After says, or send fewer calls at once",
    "request_timeout": "send the head within 10 s, and the body without pauses of 20 s",
}
"""What to do, by the code of an error whose place in the request says nothing more."""


def error_body(error: CallError, hint: str = "") -> bytes:
    """`{"detail": [{"loc", "msg", "type", "input", "hint"?}]}`."""
    if isinstance(error, InvalidInput):
        return encode_problems(list(error.problems))
    return simple_error(("server",), str(error), error.code, hint)


def failure_body(model: str, failure: Failure) -> bytes:
    """The error body of a record that failed by itself."""
    if failure.error is not None:
        return error_body(failure.error)
    hint = "the server's log names the cause under this request id" if failure.cause else ""
    if failure.problems:  # of another model that it has called
        return encode_problems([_placed(model, problem, hint) for problem in failure.problems])
    return simple_error(("model", model), failure.message, failure.code, hint)


def _placed(model: str, problem: Problem, hint: str) -> Problem:
    """Where a problem is, seen from outside: in the branch of the model that was asked."""
    hint = problem.hint or hint or HINTS.get(problem.type, "")
    return replace(problem, loc=("model", model, *problem.loc), hint=hint)


def error_reply(error: CallError) -> tuple[int, bytes]:
    """Status and body for a failed call that code of the service did not handle. The body names the branch."""
    if error.problems:
        return status_of(error), encode_problems(
            [replace(p, hint=p.hint or HINTS.get(p.type, "")) for p in error.problems]
        )
    return status_of(error), error_body(error)


def simple_error(loc: Sequence[str | int], message: str, code: str, hint: str = "") -> bytes:
    """An error body with one entry; without a hint of its own it has that of its code."""
    return encode_problems([Problem(tuple(loc), message, code, None, hint or HINTS.get(code, ""))])

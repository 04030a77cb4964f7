"""From the outcomes of a call's records to one answer: status, body, and what its headers flag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from modelport.kernel.values import Failure

Outcome = bytes | Failure

STATUS_OF_CODE = {
    **dict.fromkeys(("deadline_exceeded",), 504),
    **dict.fromkeys(("holder_lost", "overloaded", "not_ready"), 503),
    **dict.fromkeys(("record_refused", "invalid_input", "malformed_body"), 422),
    "not_acceptable": 406,
    "slow_reader": 408,
}
"""Failures that are not the model's own; all others are 500."""


class Reply(NamedTuple):
    """What to send. `failed` counts records of a list, `non_finite` values that were NaN or infinite."""

    status: int
    body: bytes
    failed: int = 0
    non_finite: int = 0
    cause: str = ""
    media: bytes = b""


def assemble(
    outcomes: Sequence[Outcome],
    batch: bool,
    encode_failure: Callable[[Failure], bytes],
    encode_error: Callable[[Failure], bytes],
    count_non_finite: Callable[[bytes], int],
) -> Reply:
    """One record gives its own answer or an error status; a list is answered element by element.

    A list of which no record could run at all (the deadline passed, say) is an error as a whole.
    """
    failures = [o for o in outcomes if isinstance(o, Failure)]
    first = failures[0] if failures else None
    refused = first is not None and (first.error is not None or 400 <= first.status < 500)
    cause = (first.cause or first.message) if first and not refused else ""
    if first and (not batch or _none_ran(outcomes, failures)):
        return Reply(first.status or STATUS_OF_CODE.get(first.code, 500), encode_error(first), cause=cause)
    parts = [encode_failure(o) if isinstance(o, Failure) else o for o in outcomes]
    body = b"[" + b",".join(parts) + b"]" if batch else parts[0]
    return Reply(200, body, len(failures), count_non_finite(body), cause)


def _none_ran(outcomes: Sequence[Outcome], failures: Sequence[Failure]) -> bool:
    return len(failures) == len(outcomes) and all(failure.code in STATUS_OF_CODE for failure in failures)

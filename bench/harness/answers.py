"""Check answers before any speed is measured: a wrong answer is always fast enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.harness.errors import BenchError
from modelport.compare.client import Response

TOLERANCE = 1e-5
ECHO_SIZE_TOLERANCE = 0.1

# What a server adds by itself; an echo is not asked to imitate another server's signature.
SERVER_HEADERS = frozenset({"date", "server", "connection"})


@dataclass(frozen=True)
class Case:
    """One request body and what the model itself answers to it."""

    body: bytes
    prediction: str
    probabilities: dict[str, float]


def is_right(answer: Response, case: Case) -> bool:
    """Say whether an answer has the model's label and its probabilities within the tolerance."""
    if answer.status != 200:
        return False
    try:
        given: Any = json.loads(answer.body)
        label, probabilities = given["prediction"], given["probabilities"]
        return bool(label == case.prediction) and _close(probabilities, case.probabilities)
    except (ValueError, KeyError, TypeError):
        return False


def is_constant(answer: Response, _case: Case) -> bool:
    """Say whether an echo answered at all; it knows no model."""
    return answer.status == 200 and bool(answer.body)


def check_all(name: str, answers: Sequence[Response], cases: Sequence[Case]) -> None:
    """Raise with the first example when a server answered any of the rows wrongly."""
    wrong = [(answer, case) for answer, case in zip(answers, cases, strict=True) if not is_right(answer, case)]
    if wrong:
        answer, case = wrong[0]
        raise BenchError(
            f"{name} answered {len(wrong)} of {len(cases)} rows wrongly; the first: asked {case.body!r}, "
            f"expected {case.prediction} {case.probabilities}, got {answer.status} {answer.body[:300]!r}"
        )


def check_echo(name: str, echo: Response, real: Sequence[Response]) -> None:
    """Raise when an echo sends other headers, or clearly more or fewer bytes, than the server it stands beside."""
    expected, given = _own_headers(real[0]), _own_headers(echo)
    if expected != given:
        raise BenchError(f"{name} sends the headers {sorted(given)}, the real answer has {sorted(expected)}")
    expected_bytes, given_bytes = median(_size(answer) for answer in real), _size(echo)
    if abs(given_bytes - expected_bytes) > ECHO_SIZE_TOLERANCE * expected_bytes:
        raise BenchError(f"{name} sends {given_bytes} bytes, real answers have {expected_bytes:g} (median)")


def _close(given: dict[str, float], expected: dict[str, float]) -> bool:
    return given.keys() == expected.keys() and all(abs(given[key] - expected[key]) <= TOLERANCE for key in expected)


def _own_headers(answer: Response) -> set[str]:
    return set(answer.headers) - SERVER_HEADERS


def _size(answer: Response) -> int:
    own = _own_headers(answer)
    return len(answer.body) + sum(len(name) + len(answer.headers[name]) for name in own)

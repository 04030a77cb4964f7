"""What is asked of everybody: the cases, and their requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from modelport.compare.contestants import Contestant
from modelport.compare.pool import request_bytes
from modelport.compare.subject import Subject
from modelport.errors import SetupError

JSON = {"Content-Type": "application/json"}
MOST_REQUESTS = 1000


@dataclass(frozen=True)
class Case:
    """One kind of request; `connections` is how many ask at once in the closed loop."""

    name: str
    title: str
    rows: int
    connections: int


CASES = (
    Case("one-row", "one row", rows=1, connections=32),
    Case("64-rows", "64 rows in one request", rows=64, connections=16),
)
QUICK = ("one-row",)


def select(names: Sequence[str]) -> tuple[Case, ...]:
    """Those of these names. Raises SetupError for an unknown name."""
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise SetupError(f"{name!r} is no case; {hint}")
    return tuple(case for case in CASES if case.name in names)


def path_of(case: Case, contestant: Contestant) -> str:
    """Where a contestant answers a case."""
    return "/predict" if case.rows == 1 else contestant.batch_path


def bodies_of(case: Case, subject: Subject) -> list[bytes]:
    """Distinct bodies, as far as there are rows; no two neighbours are the same where there is more than one row."""
    rows = subject.rows
    if case.rows == 1:
        return [json.dumps(row).encode() for row in rows[:MOST_REQUESTS]]
    count = max(1, min(32, len(rows) // case.rows))
    return [
        json.dumps([rows[(n * case.rows + i) % len(rows)] for i in range(case.rows)]).encode() for n in range(count)
    ]


def requests_of(case: Case, contestant: Contestant, subject: Subject) -> list[bytes]:
    """The same as they cross the wire."""
    path = path_of(case, contestant)
    return [request_bytes("POST", path, body, JSON) for body in bodies_of(case, subject)]

"""What is asked of everybody: the cases, and their requests."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from modelport.compare.contestants import Contestant
from modelport.compare.pool import request_bytes
from modelport.compare.subject import Subject
from modelport.errors import SetupError

JSON = {"Content-Type": "application/json"}
MOST_REQUESTS = 1000


PREDICT, WORK = "predict", "work"
"""The two applications of a contestant: the user's model, and functions that show what a framework does to them."""


@dataclass(frozen=True)
class Case:
    """One kind of request; `connections` is how many ask at once in the closed loop."""

    name: str
    title: str
    rows: int
    connections: int
    app: str = PREDICT


CASES = (
    Case("one-row", "one row", rows=1, connections=32),
    Case("64-rows", "64 rows in one request", rows=64, connections=16),
    Case("wait", "an upstream that takes 50 ms", rows=1, connections=256, app=WORK),
    Case("hold-gil", "a model of 50 ms that holds the GIL", rows=1, connections=16, app=WORK),
    Case("release-gil", "a model of 50 ms that releases the GIL", rows=1, connections=16, app=WORK),
    Case("array-in", "1 MB of floats in", rows=1, connections=8, app=WORK),
    Case("vectors-out", "128 × 1536 floats out", rows=1, connections=8, app=WORK),
    Case("image-in", "an image of 5 MB in", rows=1, connections=8, app=WORK),
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
    if case.app == WORK:
        return f"/models/{case.name}/predict" if contestant.is_ours else f"/{case.name}"
    return "/predict" if case.rows == 1 else contestant.batch_path


def bodies_of(case: Case, subject: Subject) -> list[bytes]:
    """Distinct bodies, as far as there are rows; no two neighbours are the same where there is more than one row."""
    if case.app == WORK:
        return _work_bodies(case.name)
    rows = subject.rows
    if case.rows == 1:
        return [json.dumps(row).encode() for row in rows[:MOST_REQUESTS]]
    count = max(1, min(32, len(rows) // case.rows))
    return [
        json.dumps([rows[(n * case.rows + i) % len(rows)] for i in range(case.rows)]).encode() for n in range(count)
    ]


def headers_of(case: Case) -> dict[str, str]:
    """What a request says of its body."""
    return {"Content-Type": "application/octet-stream"} if case.name == "image-in" else JSON


def requests_of(case: Case, contestant: Contestant, subject: Subject) -> list[bytes]:
    """The same as they cross the wire."""
    path, headers = path_of(case, contestant), headers_of(case)
    return [request_bytes("POST", path, body, headers) for body in bodies_of(case, subject)]


def _work_bodies(name: str) -> list[bytes]:
    draw = random.Random(0)
    if name == "array-in":
        count = 1_000_000 // len("0.12345678, ")
        return [json.dumps([round(draw.random(), 8) for _ in range(count)]).encode() for _ in range(4)]
    if name == "image-in":
        return [draw.randbytes(5_000_000) for _ in range(2)]
    return [json.dumps({"id": f"caller-{n}"}).encode() for n in range(256)]

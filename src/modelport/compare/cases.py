"""What is asked of everybody: the cases, and their requests."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from modelport.compare.contestants import Contestant
from modelport.compare.pool import request_bytes
from modelport.compare.subject import Subject
from modelport.errors import SetupError

JSON = {"Content-Type": "application/json"}
MOST_REQUESTS = 1000

PREDICT, WORK, WEIGHED = "predict", "work", "weighed"
"""What is started for a case: the user's model, functions that show what a framework does to them, or both, to be weighed."""

LOAD, START, INVALID, SLOW = "load", "start", "invalid", "slow"
LEAVING, OVERLOAD, MEMORY = "leaving", "overload", "memory"
"""How a case is measured; all but the first have figures of their own (`figures.py`)."""

TASK_S = 0.05
"""What the functions of `tasks.py` take that stand for a model or an upstream."""

DEADLINE_S = 1.0
"""How long the clients of `overload` wait; they say so in a header, and hang up then."""


@dataclass(frozen=True)
class Case:
    """One kind of request; `connections` is how many ask at once in the closed loop."""

    name: str
    title: str
    rows: int
    connections: int
    app: str = PREDICT
    kind: str = LOAD
    asks: str = ""
    """The function of `tasks.py` that is asked for, where the case is not called like it."""
    task_s: float = 0.0
    """How long its function takes without computing, for which servers have slots."""
    one_at_a_time: bool = False
    """Whether slots of one process take turns at it."""

    @property
    def function(self) -> str:
        """Which function of `tasks.py` answers."""
        return self.asks or self.name


CASES = (
    Case("one-row", "one row", rows=1, connections=32),
    Case("64-rows", "64 rows in one request", rows=64, connections=16),
    Case("wait", "an upstream that takes 50 ms", 1, 256, app=WORK, task_s=TASK_S),
    Case("hold-gil", "a model of 50 ms that holds the GIL", 1, 16, app=WORK, task_s=TASK_S, one_at_a_time=True),
    Case("release-gil", "a model of 50 ms that releases the GIL", 1, 16, app=WORK, task_s=TASK_S),
    Case("array-in", "1 MB of floats in", rows=1, connections=8, app=WORK),
    Case("vectors-out", "128 × 1536 floats out", rows=1, connections=8, app=WORK),
    Case("image-in", "an image of 5 MB in", rows=1, connections=8, app=WORK),
    Case("start", "the start", rows=1, connections=1, kind=START),
    Case("invalid", "invalid input", rows=1, connections=32, kind=INVALID),
    Case("slow-clients", "beside slow clients", rows=1, connections=32, kind=SLOW),
    Case("overload", "twice the capacity", 1, 64, WORK, OVERLOAD, asks="release-gil", task_s=TASK_S),
    Case("leaving-clients", "beside clients that leave", 1, 64, WORK, LEAVING, asks="release-gil", task_s=TASK_S),
    Case("memory", "memory", rows=1, connections=1, app=WEIGHED, kind=MEMORY),
)
QUICK = ("one-row", "start")


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
        return work_path(case.function, contestant)
    return "/predict" if case.rows == 1 else contestant.batch_path


def work_path(function: str, contestant: Contestant) -> str:
    """Where a contestant answers with a function of `tasks.py`."""
    return f"/models/{function}/predict" if contestant.is_ours else f"/{function}"


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
    """What a request says of its body, and of the client's patience."""
    if case.kind == OVERLOAD:
        return JSON | {"Request-Timeout": f"{DEADLINE_S:g}"}
    return {"Content-Type": "application/octet-stream"} if case.name == "image-in" else JSON


def requests_of(case: Case, contestant: Contestant, subject: Subject) -> list[bytes]:
    """The same as they cross the wire."""
    path, headers = path_of(case, contestant), headers_of(case)
    return [request_bytes("POST", path, body, headers) for body in bodies_of(case, subject)]


@cache
def _work_bodies(name: str) -> list[bytes]:
    draw = random.Random(0)
    if name == "array-in":
        count = 1_000_000 // len("0.12345678, ")
        return [json.dumps([round(draw.random(), 8) for _ in range(count)]).encode() for _ in range(4)]
    if name == "image-in":
        return [draw.randbytes(5_000_000) for _ in range(2)]
    callers = 8 if name == "vectors-out" else 256  # all answers are compared, and those are of 2 MB
    return [json.dumps({"id": f"caller-{n}"}).encode() for n in range(callers)]

"""One start of one contestant: launch to first right answer, idle memory, load at each concurrency, memory again.

Only one contestant runs at a time: several at once would share a core, and share pages that PSS would then split.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness.answers import Case, check_all, is_constant, is_right
from bench.harness.client import Answer, first_answer_s, post_all, post_at_once
from bench.harness.errors import BenchError
from bench.harness.samples import Sample
from modelport.compare.processes import ServerProcess, serving
from modelport.compare.usage import tree_pss_bytes
from modelport.compare.wrk import LoadResult, run_wrk

SETTLE_S = 0.5
CHECK_CONNECTIONS = 16


@dataclass(frozen=True)
class Contestant:
    """A server under test; ``{port}`` in its command becomes the port of the trial."""

    name: str
    description: str
    environment: str
    command: tuple[str, ...]
    echo: bool = False


@dataclass(frozen=True)
class Plan:
    """How every contestant is measured."""

    rounds: int
    seconds: float
    warm_up_s: float
    connections: tuple[int, ...]
    path: str
    server_core: int
    load_core: int


@dataclass(frozen=True)
class Bench:
    """A plan, the rows it asks for, and where its files are."""

    plan: Plan
    cases: Sequence[Case]
    bodies: Path
    root: Path
    log: Path


def check(contestant: Contestant, bench: Bench) -> list[Answer]:
    """Ask a contestant for every row, one by one and many at once, and raise on a wrong answer.

    This start also leaves files in the page cache and byte code behind, so that no timed start is the first one.
    """
    with serving(contestant.command, core=bench.plan.server_core, cwd=bench.root, log=bench.log) as server:
        _first_answer_s(server, contestant, bench)
        bodies = [case.body for case in bench.cases]
        answers = post_all(server.port, bench.plan.path, bodies)
        crowded = post_at_once(server.port, bench.plan.path, bodies, connections=CHECK_CONNECTIONS)
    if not contestant.echo:
        check_all(contestant.name, answers, bench.cases)
        check_all(contestant.name, crowded, bench.cases)
    return answers


def run_trial(contestant: Contestant, number: int, bench: Bench) -> Sample:
    """Start a contestant, measure it once, stop it."""
    plan = bench.plan
    with serving(contestant.command, core=plan.server_core, cwd=bench.root, log=bench.log) as server:
        first_s = _first_answer_s(server, contestant, bench)
        time.sleep(SETTLE_S)
        idle = tree_pss_bytes(server.process.pid)
        loads = tuple(_load(server, contestant, bench, connections) for connections in plan.connections)
        loaded = tree_pss_bytes(server.process.pid)
    return Sample(contestant.name, number, first_s, idle, loaded, loads)


def _first_answer_s(server: ServerProcess, contestant: Contestant, bench: Bench) -> float:
    case = bench.cases[0]
    judge = is_constant if contestant.echo else is_right
    return first_answer_s(server, bench.plan.path, case.body, lambda answer: judge(answer, case))


def _load(server: ServerProcess, contestant: Contestant, bench: Bench, connections: int) -> LoadResult:
    """Warm up, measure, and refuse a result with errors in it."""
    for seconds in (bench.plan.warm_up_s, bench.plan.seconds):
        result = run_wrk(
            f"http://127.0.0.1:{server.port}{bench.plan.path}",
            bodies=bench.bodies,
            connections=connections,
            seconds=seconds,
            core=bench.plan.load_core,
        )
        server.check_alive()
        if result.errors:
            raise BenchError(
                f"{contestant.name}: {result.errors} errors in {result.requests} requests "
                f"over {connections} connections; the log ends with:\n{server.log_tail()}"
            )
    return result

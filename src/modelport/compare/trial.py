"""A contestant under load: whether its answers are right, its capacity, its latency. Only one contestant runs at a time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from modelport.compare import generators
from modelport.compare.answers import Answer, Rules, differences
from modelport.compare.cases import (
    INVALID,
    OVERLOAD,
    PREDICT,
    SLOW,
    START,
    Case,
    bodies_of,
    headers_of,
    path_of,
    requests_of,
)
from modelport.compare.client import Response, first_answer_s, post_all, post_at_once
from modelport.compare.conduct import statuses
from modelport.compare.continuation import trial_key
from modelport.compare.generation import Entry
from modelport.compare.generators import Load
from modelport.compare.plan import Plan, closed_s, open_s, warm_up_s
from modelport.compare.pool import write_pool
from modelport.compare.processes import ServerProcess, serving
from modelport.compare.results import Measurement
from modelport.compare.subject import Subject
from modelport.compare.usage import tree_cpu_s, tree_pss_bytes
from modelport.errors import SetupError

CHECKED = 64
REST_TRIES = 6
CHECK_CONNECTIONS = 8
CHECK_S = 1.5
"""How long a load is that tells a rough capacity."""
TELLING = 0.05
"""A generator that computed for a smaller part of its time tells nothing of what it could do at most."""
RULES = Rules(tolerance=1e-5)
JSON = (("content-type", "application/json"),)


class Rough(NamedTuple):
    """What a short load told of each case: right answers in a second, and how many the generator could have asked for."""

    per_s: dict[str, float]
    generator_per_s: dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A contestant, what it is asked, and where its files go."""

    entry: Entry
    subject: Subject
    cases: Sequence[Case]
    plan: Plan
    work: Path

    @property
    def name(self) -> str:
        """Of the contestant."""
        return self.entry.contestant.name

    @property
    def key(self) -> str:
        """Of the contestant's application."""
        return trial_key(self.name, self.app)

    @property
    def app(self) -> str:
        """Which of the contestant's applications the cases are of: one trial knows one."""
        return self.cases[0].app

    @contextmanager
    def started(self) -> Iterator[ServerProcess]:
        """The server, while the block lasts."""
        log, core = self.work / f"{self.name}.{self.app}.log", self.plan.cores.server_list
        command = self.entry.command if self.app == PREDICT else self.entry.work_command
        with serving(command, core=core, cwd=self.entry.folder, log=log) as server:
            yield server

    def pool(self, case: Case) -> Path:
        """The file with the case's requests."""
        path = self.work / f"{self.name}.{case.name}.pool"
        return path if path.exists() else write_pool(requests_of(case, self.entry.contestant, self.subject), path)


def check(trial: Trial, reference: dict[str, list[Any]], conduct: dict[str, dict[str, int]]) -> Rough:
    """Compare all answers with those of whoever was asked first, and return a rough capacity for each case.

    Raises SetupError with the first difference. This start also leaves byte code and page cache behind.
    """
    rough = Rough({}, {})
    with trial.started() as server:
        first_answer(trial, server)
        for case in trial.cases:
            if case.kind == INVALID:
                continue  # what is answered there is told, and need not be the same
            bodies = bodies_of(case, trial.subject)[:CHECKED]
            path = path_of(case, trial.entry.contestant)
            kind = headers_of(case)["Content-Type"]
            answers = post_at_once(server.port, path, bodies, connections=CHECK_CONNECTIONS, media_type=kind)
            _need_success(trial.name, case, answers)
            _compare(trial.name, case, answers, reference.setdefault(case.name, answers))
            if case.kind not in (START, OVERLOAD):
                _ask_roughly(trial, case, server, rough)
                wait_until_idle(case, server, trial)
        if trial.app == PREDICT:
            conduct[trial.name] = statuses(server.port, "/predict", trial.subject)
    return rough


def _ask_roughly(trial: Trial, case: Case, server: ServerProcess, rough: Rough) -> None:
    """By the bundled generator whatever is installed, since it is the one that sends at arrival rates."""
    load = steady(trial, case, server, max(CHECK_S, closed_s(case, trial.plan)) if case.task_s else CHECK_S)
    server.check_alive()
    per_s = load.pace_per_s or 0.0
    if load.answers or case.kind == SLOW:
        rough.per_s[case.name] = max(1.0, per_s)
    if load.busy is not None and load.busy > TELLING:
        rough.generator_per_s[case.name] = per_s / load.busy


def measure(
    trial: Trial, case: Case, number: int, server: ServerProcess, rates: Sequence[float]
) -> Iterator[Measurement]:
    """One round of one case: capacity, then latency at each arrival rate."""
    wait_until_idle(case, server, trial)
    if warm_up := warm_up_s(case, trial.plan):
        closed(trial, case, server, warm_up)
    yield _timed(trial, case, number, server, None, 0)
    for seed, rate in enumerate(rates):
        yield _timed(trial, case, number, server, rate, number * 1000 + seed)


def _timed(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float | None, seed: int) -> Measurement:
    wait_until_idle(case, server, trial)
    before = tree_cpu_s(server.process.pid)
    if rate is None:
        load = closed(trial, case, server, closed_s(case, trial.plan))
    else:
        pool, seconds, core = trial.pool(case), open_s(trial.plan, rate), trial.plan.cores.load
        load = generators.open_loop(server.port, pool, rate=rate, seconds=seconds, seed=seed, core=core)
    server.check_alive()
    return Measurement(
        contestant=trial.name,
        case=case.name,
        round=number,
        connections=case.connections if rate is None else generators.OPEN_LOOP_CONNECTIONS,
        rate=rate,
        seconds=load.seconds,
        answers=load.answers,
        refused=load.refused,
        failures=load.failures,
        unanswered=load.unanswered,
        cpu_s=tree_cpu_s(server.process.pid) - before,
        pss_bytes=tree_pss_bytes(server.process.pid),
        generator=load.generator,
        lag_s=load.lag_s,
        generator_busy=load.busy,
        latencies=load.latencies,
        pace_per_s=load.pace_per_s if case.task_s else None,
    )


def closed(trial: Trial, case: Case, server: ServerProcess, seconds: float) -> Load:
    """Each of the case's connections asks again when it has its answer; where a task takes its time, turns are counted."""
    if case.task_s:
        return steady(trial, case, server, seconds)
    core = trial.plan.cores.load
    return generators.closed_loop(
        server.port, trial.pool(case), connections=case.connections, seconds=seconds, core=core
    )


def steady(trial: Trial, case: Case, server: ServerProcess, seconds: float) -> Load:
    """The same by the bundled generator, which tells the pace, whether or not answers come in waves."""
    pool, core = trial.pool(case), trial.plan.cores.load
    return generators.steady_loop(server.port, pool, connections=case.connections, seconds=seconds, core=core)


def wait_until_idle(case: Case, server: ServerProcess, trial: Trial) -> int:
    """Some servers go on working for those who have hung up; the next load must not wait behind them.

    One request, in the queue behind all of these, tells when they are done. Returns how often it was asked.
    """
    path, kind = path_of(case, trial.entry.contestant), headers_of(case)["Content-Type"]
    body = bodies_of(case, trial.subject)[:1]
    for tries in range(1, REST_TRIES + 1):
        try:
            post_all(server.port, path, body, kind)
        except TimeoutError:
            continue
        except (OSError, http.client.HTTPException) as error:
            raise SetupError(f"{trial.name} did not come to rest after {case.title}: {error}") from None
        return tries
    raise SetupError(f"{trial.name} did not come to rest within a minute after {case.title}")


def first_answer(trial: Trial, server: ServerProcess) -> float:
    """Any answer with status 200: what it says was checked before the first round."""
    case = trial.cases[0]
    body, path = bodies_of(case, trial.subject)[0], path_of(case, trial.entry.contestant)
    kind = headers_of(case)["Content-Type"]
    return first_answer_s(server, path, body, lambda response: response.status == 200, media_type=kind)


def _need_success(name: str, case: Case, given: Sequence[Response]) -> None:
    """All might be wrong alike."""
    for number, one in enumerate(given):
        if one.status != 200:
            said = _shown(one.body[:200].decode(errors="replace"))
            raise SetupError(f"{name} answers request {number} of {case.title} with status {one.status}: {said}")


def _compare(name: str, case: Case, given: Sequence[Response], wanted: Sequence[Response]) -> None:
    for number, (one, other) in enumerate(zip(given, wanted, strict=True)):
        found = differences(_answer(other), _answer(one), RULES)
        if found:
            first = found[0]
            raise SetupError(
                f"{name} answers request {number} of {case.title} otherwise than the others: {first.what} {first.where} "
                f"is {_shown(first.new)}, the others' {_shown(first.old)}"
            )


def _answer(response: Response) -> Answer:
    """Status and body: headers are each server's own."""
    return Answer(response.status, JSON, response.body)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]

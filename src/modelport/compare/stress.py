"""Cases that are no plain load: invalid input, slow clients, clients that leave, and more requests than can be answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modelport.compare import cases, generators
from modelport.compare.cases import JSON, Case, path_of
from modelport.compare.conduct import refusable_bodies
from modelport.compare.crowd import crowded
from modelport.compare.generators import Load
from modelport.compare.histogram import Histogram
from modelport.compare.plan import closed_s, open_s
from modelport.compare.pool import request_bytes, write_pool
from modelport.compare.processes import ServerProcess
from modelport.compare.results import GRACE_S, Observation
from modelport.compare.trial import Trial, steady, wait_until_idle
from modelport.compare.usage import tree_cpu_s

SLOW_CLIENTS, SLOW_PAUSE_S = 50, 0.1
PATIENCE_S = 0.02
"""How long the clients of `leaving-clients` wait: less than the model takes."""
MOST_LEAVING = 1000.0
OVERLOAD = 2.0
FEWEST = 0.5
"""What stands for none where a ratio is taken: a logarithm of nothing cannot be."""


def observe(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float) -> Observation:
    """One round of one such case. `rate` is what arrives in a second where the case wants to know it."""
    wait_until_idle(case, server, trial)
    measured = MEASURED[case.kind](trial, case, number, server, rate)
    server.check_alive()
    return measured


def _invalid(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float) -> Observation:
    path, contestant = trial.work / f"{trial.name}.{case.name}.pool", trial.entry.contestant
    bodies = refusable_bodies(trial.subject).values()
    pool = write_pool([request_bytes("POST", path_of(case, contestant), body, JSON) for body in bodies], path)
    before = tree_cpu_s(server.process.pid)
    load, classes = generators.status_loop(
        server.port,
        pool,
        connections=case.connections,
        seconds=trial.plan.capacity_s,
        core=trial.plan.cores.load,
    )
    answers = sum(classes.values())
    total = max(1, answers + load.failures)
    values = {
        "refused_per_s": max(classes.get("4xx", 0), FEWEST) / load.seconds,
        "refused": max(classes.get("4xx", 0), FEWEST) / total,
        "faults": classes.get("5xx", 0) / total,
        "accepted": (classes.get("2xx", 0) + classes.get("3xx", 0)) / total,
        "silent": load.failures / total,
        "cpu_s_per_1000": 1000 * (tree_cpu_s(server.process.pid) - before) / max(answers, 1),
        "busy": load.busy or 0.0,
    }
    return Observation(trial.name, case.name, number, values)


def _slow(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float) -> Observation:
    pool, plan = trial.pool(case), trial.plan

    def load() -> Load:
        return generators.open_loop(
            server.port, pool, rate=rate, seconds=plan.latency_s, seed=number * 1000, core=plan.cores.load
        )

    alone = load()
    wait_until_idle(case, server, trial)
    slow = ("--slow", str(SLOW_CLIENTS), "--pause", str(SLOW_PAUSE_S))
    with crowded(server.port, pool, plan.cores.load, *slow) as crowd:
        beside = load()
    values = {
        "rate": rate,
        "answered": max(beside.answers, FEWEST) / max(_offered(beside), 1),
        "slow_finished": float(crowd.get("finished", 0)),
        "slow_cut": float(crowd.get("cut", 0)),
        "lag_s": max(alone.lag_s or 0.0, beside.lag_s or 0.0),
    }
    return Observation(trial.name, case.name, number, values, {"alone": _all(alone), "beside": _all(beside)})


def _leaving(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float) -> Observation:
    pool, plan = trial.pool(case), trial.plan
    computed = trial.entry.folder / "computed"

    def load() -> Load:
        """Those who stay: twice as many as there are slots, so that some of them always wait."""
        return generators.steady_loop(
            server.port, pool, connections=2 * plan.slots, seconds=closed_s(case, plan), core=plan.cores.load
        )

    alone = load()
    wait_until_idle(case, server, trial)
    before = _size(computed)
    leaving = ("--leaving", str(min(rate, MOST_LEAVING)), "--pause", str(PATIENCE_S))
    with crowded(server.port, pool, plan.cores.load, *leaving) as crowd:
        beside = load()
    probes = wait_until_idle(case, server, trial)
    runs = _size(computed) - before - probes
    for_nobody = max(0, runs - beside.answers - beside.in_flight)
    values = {
        "alone_per_s": _pace(alone),
        "beside_per_s": _pace(beside),
        "runs_per_answer": runs / max(beside.answers, FEWEST),
        "computed_for_nobody": min(1.0, for_nobody / max(1, crowd.get("left", 0))),
        "left_per_s": crowd.get("left", 0) / beside.seconds,
    }
    return Observation(trial.name, case.name, number, values)


def _overload(trial: Trial, case: Case, number: int, server: ServerProcess, rate: float) -> Observation:
    plan = trial.plan
    patient = replace(case, name="capacity", kind=cases.LOAD)  # nobody refuses these for coming too late
    capacity = _pace(steady(trial, patient, server, closed_s(case, plan)))
    wait_until_idle(case, server, trial)
    flood = generators.impatient_loop(
        server.port,
        trial.pool(case),
        rate=OVERLOAD * capacity,
        seconds=open_s(plan, capacity),
        seed=number * 1000,
        core=plan.cores.load,
        patience_s=cases.DEADLINE_S,
    )
    good, offered = max(flood.answers, FEWEST) / flood.seconds, max(_offered(flood), 1)
    refused = sum(flood.refused.values())
    values = {
        "capacity_per_s": capacity,
        "good_per_s": good,
        "good_share": good / capacity,
        "refused": refused / offered,
        "lost": (offered - flood.answers - refused) / offered,
        "lag_s": flood.lag_s or 0.0,
    }
    latencies = {"good": flood.latencies, "refused": flood.refused_latencies}
    return Observation(trial.name, case.name, number, values, latencies)


MEASURED: dict[str, Callable[[Trial, Case, int, ServerProcess, float], Observation]] = {
    cases.INVALID: _invalid,
    cases.SLOW: _slow,
    cases.LEAVING: _leaving,
    cases.OVERLOAD: _overload,
}


def _pace(load: Load) -> float:
    """Right answers in a second, never none."""
    return max(load.pace_per_s or 0.0, FEWEST / load.seconds)


def _offered(load: Load) -> int:
    return load.answers + sum(load.refused.values()) + load.failures + load.unanswered


def _all(load: Load) -> list[list[int]]:
    """The latencies of all requests; one without a right answer counts as longer than the load."""
    found = Histogram(load.latencies)
    for _ in range(_offered(load) - load.answers):
        found.add(load.seconds + GRACE_S)
    return found.plain()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

"""How everybody is measured: rounds, arrival rates, and how long a load must be to tell something."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.compare.cases import OVERLOAD, Case
from modelport.compare.machine import Cores

TURNS, MORE_TURNS, MORE_S = 2.2, 3.3, 0.6
"""Two turns with a tenth to spare, three where the pace decides what comes next; and what it takes to begin."""
ENOUGH, ENOUGH_EACH = 220, 22
"""So many requests in all rounds bear a p95, so many in each a p50 that can be compared; each with a tenth to spare."""
LONGEST_S, LONGER = 7.0, 6.0
"""No open loop is made longer than this, nor more than so many times as long as it is to be, to have requests enough."""


@dataclass(frozen=True)
class Plan:
    """How everybody is measured. `rates`: arrival rates of predictions; `work_rates`: those of the other cases."""

    rounds: int
    warm_up_s: float
    capacity_s: float
    latency_s: float
    rates: int
    work_rates: int
    slots: int
    cores: Cores


def turn_s(case: Case, slots: int) -> float:
    """How long it takes until each connection of a case has had an answer; 0 where the server's speed alone decides.

    A server that queues an answer behind all requests, as FastAPI does with def, gives the first ones after a whole turn.
    """
    return case.connections * case.task_s / (1 if case.one_at_a_time else slots)


def closed_s(case: Case, plan: Plan) -> float:
    """How long a closed loop is: at least two turns."""
    turns = MORE_TURNS if case.kind == OVERLOAD else TURNS
    return max(plan.capacity_s, turns * turn_s(case, plan.slots) + MORE_S) if case.task_s else plan.capacity_s


def warm_up_s(case: Case, plan: Plan) -> float:
    """How long a server is warmed up: not at all where slots and not speed decide."""
    return 0.0 if case.task_s else plan.warm_up_s


def open_s(plan: Plan, rate: float) -> float:
    """How long an open loop is: long enough for its percentiles where few requests arrive in a second."""
    wanted = max(ENOUGH / plan.rounds, ENOUGH_EACH) / rate
    return max(plan.latency_s, min(wanted, longest_s(plan)))


def longest_s(plan: Plan) -> float:
    """How long an open loop is at most where few requests arrive."""
    return max(plan.latency_s, min(LONGEST_S, LONGER * plan.latency_s))

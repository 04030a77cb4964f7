"""How long a run takes: thought out from its schedule, and corrected by what its parts have taken so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import NamedTuple

from modelport.compare.cases import (
    DEADLINE_S,
    INVALID,
    LEAVING,
    LOAD,
    OVERLOAD,
    PREDICT,
    SLOW,
    WEIGHED,
    WORK,
    Case,
)
from modelport.compare.contestants import Contestant
from modelport.compare.memory import COUNTS, LEVELS, ROUNDS, scales
from modelport.compare.plan import Plan, closed_s, longest_s, open_s, turn_s, warm_up_s
from modelport.compare.trial import CHECK_S
from modelport.errors import SetupError

START_S, STOP_S = 2.0, 0.7
TURN = 0.6
"""The part of a turn for which a server goes on when its callers have hung up, on the average: handlers that wait have none."""
ONE_LOAD_S = 0.4
"""What a load takes beside its own time: its generator starts, and the server comes to rest before it."""
COMPARE_S = 1.0
LEVEL_S = 1.5
CROWD_S = 1.5
REACHED = 0.6
"""The part of the arrival rates beyond the first that a contestant keeps up with, on the average: a guess before they are known."""

SHORTER = (
    *((5.0, 5.0, 6, 2), (4.0, 4.0, 6, 2), (3.0, 3.0, 6, 2), (3.0, 3.0, 5, 2), (2.0, 2.0, 6, 2), (2.0, 2.0, 5, 2)),
    *((2.0, 1.5, 5, 2), (2.0, 1.2, 5, 2), (2.0, 1.2, 4, 2), (2.0, 1.2, 4, 1), (1.0, 1.2, 4, 1), (1.0, 1.0, 4, 1)),
    (1.0, 1.0, 3, 1),
)
"""Seconds of closed and of open loops, arrival rates of predictions and of other cases, from longer to shorter runs: where time
is short, the others have fewer first. Closed loops have whole seconds, since wrk knows no others."""
SHORT_WARM_UP_S, SHORT_S = 1.0, 3.0
"""Loads of at most so many seconds are preceded by a shorter warm-up."""


class Loads(NamedTuple):
    """The open loops of a contestant in a case: how many, and their seconds together."""

    many: float
    seconds: float


class Part(NamedTuple):
    """What a part of a run is thought to take: loads have their length, starts and pauses are as long as the machine is busy."""

    loads_s: float
    rest_s: float


@dataclass
class Forecast:
    """What each part is thought to take; parts that have been done before teach about themselves, and about the rest of others."""

    planned: dict[str, Part]
    done: dict[str, list[float]] = field(default_factory=dict)

    def took(self, part: str, seconds: float) -> None:
        """A part was done once."""
        self.done.setdefault(part, []).append(seconds)

    def expected_s(self, part: str) -> float:
        """What it will take the next time."""
        if part in self.done:
            return fmean(self.done[part])
        planned = self.planned[part]
        return planned.loads_s + planned.rest_s * self._slowness()

    def _slowness(self) -> float:
        """How much longer than planned everything takes that is no load."""
        known = [(fmean(took), self.planned[name]) for name, took in self.done.items()]
        rest = sum(planned.rest_s for _, planned in known)
        return sum(max(0.0, took - planned.loads_s) for took, planned in known) / rest if rest else 1.0

    def left_s(self, parts: Iterable[str]) -> float:
        """What all of them will take."""
        return sum(self.expected_s(part) for part in parts)


def apps_of(cases: Sequence[Case]) -> dict[str, tuple[Case, ...]]:
    """The cases by what is started for them; each of these is a start of its own."""
    grouped = {app: tuple(case for case in cases if case.app == app) for app in (PREDICT, WORK, WEIGHED)}
    return {app: chosen for app, chosen in grouped.items() if chosen}


def asked_of(contestant: Contestant, app: str, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Those of the cases of an application that a contestant takes part in; it is not started where there is none."""
    if contestant.only_cases:
        return tuple(case for case in cases if case.name in contestant.only_cases)
    takes_part = app == PREDICT or bool(contestant.work_template) or (app == WEIGHED and scales(contestant))
    return tuple(cases) if takes_part else ()


def rounds_of(app: str, plan: Plan) -> int:
    """How often a start of this kind is measured."""
    return min(plan.rounds, ROUNDS) if app == WEIGHED else plan.rounds


def rates_of(case: Case, plan: Plan) -> int:
    """How many arrival rates a case has."""
    if case.kind != LOAD:
        return 1
    return plan.rates if case.app == PREDICT else min(plan.rates, plan.work_rates)


def expected_loads(case: Case, plan: Plan) -> Loads:
    """Before anything is known of anybody: where a task takes its time, few requests arrive at the lowest rate."""
    many = 1 + (rates_of(case, plan) - 1) * REACHED
    first = longest_s(plan) if case.task_s else plan.latency_s
    return Loads(many, first + (many - 1) * plan.latency_s)


def known_loads(plan: Plan, rates: Sequence[float]) -> Loads:
    """At rates that are known."""
    return Loads(len(rates), sum(open_s(plan, rate) for rate in rates))


def check_part(cases: Sequence[Case], plan: Plan) -> Part:
    """To see whether a contestant's answers are right."""
    asked = [case for case in cases if case.kind in (LOAD, SLOW, LEAVING)]
    loads_s = sum(max(CHECK_S, closed_s(case, plan)) if case.task_s else CHECK_S for case in asked)
    rest_s = sum(ONE_LOAD_S + TURN * turn_s(case, plan.slots) for case in asked)
    return Part(loads_s, START_S + STOP_S + COMPARE_S * len(cases) + rest_s)


def round_part(contestant: Contestant, cases: Sequence[Case], plan: Plan, loads: Callable[[Case], Loads]) -> Part:
    """One start; `loads` tells of the open loops of a case."""
    if cases[0].app == WEIGHED:
        starts = len(COUNTS) if scales(contestant) else 0
        callers = 2 * (START_S + STOP_S + len(LEVELS) * LEVEL_S) if contestant.work_template else 0.0
        return Part(0.0, starts * (START_S + STOP_S + 2 * LEVEL_S) + callers)
    parts = [_case_part(case, plan, loads(case)) for case in cases]
    return Part(sum(part.loads_s for part in parts), START_S + STOP_S + sum(part.rest_s for part in parts))


def _case_part(case: Case, plan: Plan, loads: Loads) -> Part:
    warm_up, closed, latency, turn = (
        warm_up_s(case, plan),
        closed_s(case, plan),
        plan.latency_s,
        TURN * turn_s(case, plan.slots),
    )
    return {
        LOAD: Part(warm_up + closed + loads.seconds, (2 + loads.many) * ONE_LOAD_S + turn),
        INVALID: Part(closed, ONE_LOAD_S),
        SLOW: Part(2 * latency, 2 * ONE_LOAD_S + CROWD_S),
        LEAVING: Part(3 * closed, 2 * ONE_LOAD_S + CROWD_S),  # what has left is computed by most
        OVERLOAD: Part(closed + latency + 2 * DEADLINE_S, 2 * ONE_LOAD_S + 2 * turn),
    }.get(case.kind, Part(0.0, 0.0))


def whole_s(contestants: Sequence[Contestant], cases: Sequence[Case], plan: Plan) -> float:
    """About how long a run takes, before anything is known of anybody."""

    def loads(case: Case) -> Loads:
        return expected_loads(case, plan)

    return sum(
        sum(check_part(asked, plan)) * (app != WEIGHED)
        + rounds_of(app, plan) * sum(round_part(contestant, asked, plan, loads))
        for app, chosen in apps_of(cases).items()
        for contestant in contestants
        if (asked := asked_of(contestant, app, chosen))
    )


def fitted(contestants: Sequence[Contestant], cases: Sequence[Case], plan: Plan, minutes: float) -> Plan:
    """The plan with loads as long, and arrival rates as many, as these minutes allow. Raises SetupError where none does."""
    least = 0.0
    for closed, latency, rates, work_rates in (
        (plan.capacity_s, plan.latency_s, plan.rates, plan.work_rates),
        *SHORTER,
    ):
        if closed > plan.capacity_s or latency > plan.latency_s or rates > plan.rates:
            continue
        warm_up = plan.warm_up_s if closed > SHORT_S else min(plan.warm_up_s, SHORT_WARM_UP_S)
        loads = replace(plan, warm_up_s=warm_up, capacity_s=closed, latency_s=latency)
        shorter = replace(loads, rates=rates, work_rates=min(plan.work_rates, work_rates))
        least = whole_s(contestants, cases, shorter)
        if least <= minutes * 60:
            return shorter
    raise SetupError(
        f"--minutes {minutes:g} is too little: with the shortest loads and the fewest arrival rates this run takes about "
        f"{in_words(least)}. Give it more, or take fewer with --only, --cases or --rounds"
    )


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    if seconds < 300:
        return f"{round(seconds / 30) / 2:g} minutes"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"

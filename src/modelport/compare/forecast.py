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
from modelport.compare.trial import Plan
from modelport.errors import SetupError

START_S, STOP_S = 2.0, 0.7
ONE_LOAD_S = 0.4
"""What a load takes beside its own time: its generator starts, and the server comes to rest before it."""
COMPARE_S, CHECK_S = 1.0, 1.0
LEVEL_S = 1.5
CROWD_S = 1.5
REACHED = 0.4
"""The part of the arrival rates that a contestant keeps up with, on the average, before anything is known of it."""
WORK_RATES = 3
"""Arrival rates of a case that is no prediction: all answer in about the same time there until they are full."""

SHORTER = ((4.0, 5), (4.0, 4), (3.0, 4), (3.0, 3), (2.5, 3), (2.0, 3), (2.0, 2), (1.5, 2), (1.0, 2), (1.0, 1))
"""Seconds of each load and arrival rates, from longer to shorter runs."""


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


def takes_part(contestant: Contestant, app: str) -> bool:
    """Whether a contestant is started for these cases."""
    return app == PREDICT or bool(contestant.work_template) or (app == WEIGHED and scales(contestant))


def rounds_of(app: str, plan: Plan) -> int:
    """How often a start of this kind is measured."""
    return min(plan.rounds, ROUNDS) if app == WEIGHED else plan.rounds


def rates_of(case: Case, plan: Plan) -> int:
    """How many arrival rates a case has."""
    if case.kind != LOAD:
        return 1
    return plan.rates if case.app == PREDICT else min(plan.rates, WORK_RATES)


def check_part(cases: Sequence[Case]) -> Part:
    """To see whether a contestant's answers are right."""
    loads = sum(case.kind in (LOAD, SLOW, LEAVING) for case in cases)
    return Part(CHECK_S * loads, START_S + STOP_S + COMPARE_S * len(cases) + loads * ONE_LOAD_S)


def round_part(contestant: Contestant, cases: Sequence[Case], plan: Plan, rates: Callable[[Case], float]) -> Part:
    """One start; `rates` tells at how many rates a case is measured."""
    if cases[0].app == WEIGHED:
        starts = len(COUNTS) if scales(contestant) else 0
        callers = 2 * (START_S + STOP_S + len(LEVELS) * LEVEL_S) if contestant.work_template else 0.0
        return Part(0.0, starts * (START_S + STOP_S + 2 * LEVEL_S) + callers)
    parts = [_case_part(case, plan, rates(case)) for case in cases]
    return Part(sum(part.loads_s for part in parts), START_S + STOP_S + sum(part.rest_s for part in parts))


def _case_part(case: Case, plan: Plan, rates: float) -> Part:
    warm_up, capacity, latency = plan.warm_up_s, plan.capacity_s, plan.latency_s
    return {
        LOAD: Part(warm_up + capacity + rates * latency, (2 + rates) * ONE_LOAD_S),
        INVALID: Part(capacity, ONE_LOAD_S),
        SLOW: Part(2 * latency, 2 * ONE_LOAD_S + CROWD_S),
        LEAVING: Part(3 * latency, 2 * ONE_LOAD_S + CROWD_S),  # what has left is computed by most
        OVERLOAD: Part(warm_up + capacity + latency + 2 * DEADLINE_S, 3 * ONE_LOAD_S),
    }.get(case.kind, Part(0.0, 0.0))


def whole_s(contestants: Sequence[Contestant], cases: Sequence[Case], plan: Plan) -> float:
    """About how long a run takes, before anything is known of anybody."""

    def rates(case: Case) -> float:
        return 1 + (rates_of(case, plan) - 1) * REACHED

    return sum(
        sum(check_part(chosen)) * (app != WEIGHED)
        + rounds_of(app, plan) * sum(round_part(contestant, chosen, plan, rates))
        for app, chosen in apps_of(cases).items()
        for contestant in contestants
        if takes_part(contestant, app)
    )


def fitted(contestants: Sequence[Contestant], cases: Sequence[Case], plan: Plan, minutes: float) -> Plan:
    """The plan with loads as long, and arrival rates as many, as these minutes allow. Raises SetupError where none does."""
    least = 0.0
    for seconds, rates in ((plan.capacity_s, plan.rates), *SHORTER):
        if seconds > plan.capacity_s or rates > plan.rates:
            continue
        shorter = replace(
            plan, capacity_s=seconds, latency_s=seconds, rates=rates, warm_up_s=min(plan.warm_up_s, seconds)
        )
        least = whole_s(contestants, cases, shorter)
        if least <= minutes * 60:
            return shorter
    raise SetupError(
        f"--minutes {minutes:g} is too little: with loads of 1 s and one arrival rate this run takes about {in_words(least)}. "
        "Give it more, or take fewer with --only, --cases or --rounds"
    )


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    if seconds < 300:
        return f"{round(seconds / 30) / 2:g} minutes"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"

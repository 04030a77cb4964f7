"""A run from the first check to the last round: who is asked when, what is kept, and how long it still takes."""

from __future__ import annotations

import http.client
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modelport.compare.cases import WEIGHED, Case
from modelport.compare.comparison import Setting, Teller
from modelport.compare.forecast import (
    Forecast,
    Loads,
    Part,
    check_part,
    expected_loads,
    in_words,
    known_loads,
    rates_of,
    round_part,
    rounds_of,
)
from modelport.compare.machine import allow_connections
from modelport.compare.results import Results
from modelport.compare.rounds import Rates, measure_round
from modelport.compare.schedule import arrival_rates, order
from modelport.compare.trial import Rough, Trial, check
from modelport.errors import SetupError

Step = tuple[int, Trial]

ON_TIME = 0.5
"""The part of what the generator can ask for at most that it sends on time, whatever comes back meanwhile."""

FAILURES = (SetupError, OSError, http.client.HTTPException, subprocess.SubprocessError)
"""What a contestant may do to those who ask it: it is told of that one, and the run goes on."""


class Clock:
    """What is still to be done, and how long that takes by what the parts before have taken."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._forecast = Forecast({})
        self._left: list[str] = []
        self._began = time.perf_counter()

    def plan(self, parts: Sequence[tuple[str, Part]]) -> None:
        """These are left from now on, and this is what each is thought to take."""
        self._forecast.planned.update(parts)
        self._left = [part for part, _ in parts]

    @property
    def left_s(self) -> float:
        """Until the end."""
        return self._forecast.left_s(self._left)

    @property
    def elapsed_s(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._began

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """One part while the block lasts; one that fails teaches nothing about the next."""
        began = time.perf_counter()
        try:
            yield
            self._forecast.took(name, time.perf_counter() - began)
        finally:
            self._left.remove(name)
            self._teller.progress(self.elapsed_s, self.elapsed_s + self.left_s)


def run(setting: Setting, results: Results, trials: Sequence[Trial], teller: Teller, save: Callable[[], None]) -> None:
    """Check everybody, then all rounds. `results` grows as it goes, is saved after each start, and is left valid by an
    interruption at any time. What it holds already is not measured again.

    Raises SetupError where nobody can be measured.
    """
    os.sched_setaffinity(0, {setting.plan.cores.load})  # the server's cores are the server's alone
    allow_connections()
    clock, before_s = Clock(teller), results.about.get("took_s", 0)
    rates = _settled_rates(setting, results, _check_all(setting, trials, results, teller, clock))
    left = [t for t in trials if t.key in rates.rough or (t.app == WEIGHED and t.name not in results.failed)]
    if not left:
        raise SetupError("no contestant could be measured:\n" + "\n".join(results.failed.values()))
    plan, steps = setting.plan, _steps(left, results, setting.plan.rounds)
    clock.plan([(trial.key, _round_part(trial, rates)) for _, trial in steps])
    many = f"{plan.rounds} round{'s' * (plan.rounds > 1)}"
    teller.say(f"{len({t.name for t in left})} contestants, {many}: about {in_words(clock.left_s)} from now")
    begun = -1
    for number, trial in steps:
        if number != begun and begun >= 0:
            teller.say(f"round {number + 1} of {plan.rounds}; about {in_words(clock.left_s)} left")
        begun = number
        _measure(trial, number, rates, results, teller, clock)
        results.about["took_s"] = round(before_s + clock.elapsed_s)
        save()
    results.complete = True


def _steps(trials: Sequence[Trial], results: Results, rounds: int) -> list[Step]:
    """Every start that is still to be measured, in order."""
    done = {(number, key) for number, key in results.done}
    return [
        (number, trial)
        for number, trial in order(trials, rounds)
        if number < rounds_of(trial.app, trial.plan) and (number, trial.key) not in done
    ]


def _measure(trial: Trial, number: int, rates: Rates, results: Results, teller: Teller, clock: Clock) -> None:
    """One start; a contestant that fails is told and left out of nothing that was measured before."""
    try:
        with clock.part(trial.key):
            measure_round(trial, number, rates, results.keep)
        results.done.append([number, trial.key])
    except FAILURES as error:
        results.failed.setdefault(trial.name, f"round {number + 1}: {_reason(error)}")
        teller.say(f"{trial.name} failed in round {number + 1}: {_reason(error).splitlines()[0]}")


def _check_all(
    setting: Setting, trials: Sequence[Trial], results: Results, teller: Teller, clock: Clock
) -> dict[str, Rough]:
    """The rough capacities of all whose answers are right."""
    plan, checked = setting.plan, [trial for trial in trials if trial.app != WEIGHED]
    checks = [(_checking(trial), check_part(trial.cases, plan)) for trial in checked]
    steps = [
        (t.key, round_part(t.entry.contestant, t.cases, plan, lambda case: expected_loads(case, plan)))
        for _, t in _steps(trials, results, plan.rounds)
    ]
    clock.plan([*checks, *steps])
    teller.say(f"about {in_words(clock.left_s)} in all, by the plan; a better estimate follows the first answers")
    reference: dict[str, list[Any]] = {}
    rough = {}
    for trial in checked:
        teller.say(f"checking the answers of {trial.key}")
        try:
            with clock.part(_checking(trial)):
                rough[trial.key] = check(trial, reference, results.conduct)
        except FAILURES as error:
            results.failed[trial.name] = _reason(error)
            teller.say(f"{trial.name} takes no part: {_reason(error)}")
    return rough


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SetupError) else f"{type(error).__name__}: {error}"


def _round_part(trial: Trial, rates: Rates) -> Part:
    def known(case: Case) -> Loads:
        return known_loads(trial.plan, rates.of(trial, case))

    return round_part(trial.entry.contestant, trial.cases, trial.plan, known)


def _checking(trial: Trial) -> str:
    return f"checking {trial.key}"


def _settled_rates(setting: Setting, results: Results, found: dict[str, Rough]) -> Rates:
    """The arrival rates: those of the run that is gone on with, where there are any, since rounds are compared."""
    about = results.about
    rough = {key: about.get("rough_capacities", {}).get(key, known.per_s) for key, known in found.items()}
    common, most = {}, _most_sent(found.values())
    for case in setting.cases:
        capacities = [known[case.name] for known in rough.values() if case.name in known]
        if capacities:
            limit = most.get(case.name, math.inf)
            common[case.name] = arrival_rates(capacities, rates_of(case, setting.plan), limit)
    about["rough_capacities"], about["rates"] = rough, about.get("rates") or common
    about.setdefault("most_sent_per_s", most)
    return Rates(about["rates"], rough)


def _most_sent(found: Iterable[Rough]) -> dict[str, float]:
    """By case, how many requests in a second the bundled generator sends on time: a part of what it has been seen to do."""
    most: dict[str, float] = {}
    for known in found:
        for case, per_s in known.generator_per_s.items():
            most[case] = max(most.get(case, 0.0), ON_TIME * per_s)
    return most

"""One start of one contestant in one round: first answer and memory, then its cases one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from modelport.compare.cases import LEAVING, LOAD, PREDICT, START, WEIGHED, Case
from modelport.compare.memory import weigh
from modelport.compare.processes import ServerProcess
from modelport.compare.results import Sample, Start
from modelport.compare.schedule import reachable
from modelport.compare.stress import observe
from modelport.compare.trial import Trial, first_answer, measure
from modelport.compare.usage import tree_pss_bytes

SETTLE_S = 0.3


@dataclass(frozen=True)
class Rates:
    """How many requests arrive: of each case what is common to all, and of each contestant what it can do, roughly."""

    common: Mapping[str, Sequence[float]]
    rough: Mapping[str, Mapping[str, float]]
    """Right answers in a second, by the key of a trial and by case."""

    def of(self, trial: Trial, case: Case) -> list[float]:
        """Those that a contestant is asked to keep up with: its own capacity in some cases, in others what is common."""
        own = self.rough.get(trial.key, {}).get(case.name)
        if own is None:
            return []
        if case.kind == LEAVING:
            return [own]
        common = self.common[case.name]
        return reachable(common, own) if case.kind == LOAD else list(common)


def measure_round(trial: Trial, number: int, rates: Rates, keep: Callable[[Sample], None]) -> None:
    """What is measured is handed over at once, so that nothing is lost where the run is interrupted."""
    if trial.app == WEIGHED:
        weigh(trial, number, keep)
        return
    with trial.started() as server:
        first_s = first_answer(trial, server)
        time.sleep(SETTLE_S)
        if trial.app == PREDICT:
            keep(Start(trial.name, number, first_s, tree_pss_bytes(server.process.pid)))
        for case in trial.cases:
            _measure_case(trial, case, number, server, rates.of(trial, case), keep)


def _measure_case(
    trial: Trial,
    case: Case,
    number: int,
    server: ServerProcess,
    rates: Sequence[float],
    keep: Callable[[Sample], None],
) -> None:
    if case.kind == LOAD:
        for measurement in measure(trial, case, number, server, rates):
            keep(measurement)
    elif case.kind != START:
        keep(observe(trial, case, number, server, rates[0] if rates else 0.0))

"""Modelport's numbers beside those of an earlier run, for continuous integration: worse than chance explains, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelport.compare.contestants import OURS
from modelport.compare.figures import by_round, figures_of
from modelport.compare.intervals import Interval, welch_ratio
from modelport.compare.results import Results
from modelport.errors import SetupError

LEVEL = 0.99
"""Many numbers are judged at once: at 95 %, one in twenty would be worse by chance."""


@dataclass(frozen=True)
class Change:
    """One number now over the same number then; above 1 is better."""

    what: str
    ratio: Interval

    @property
    def is_regression(self) -> bool:
        """Worse, and the interval excludes that nothing has changed."""
        return self.ratio.high is not None and self.ratio.high < 1

    def in_words(self) -> str:
        """For the terminal."""
        low, high = self.ratio.low, self.ratio.high
        span = f"99 % interval {low:.2f} to {high:.2f}"
        word = "WORSE" if self.is_regression else "better" if low is not None and low > 1 else "no change shown"
        return f"{self.what}: {self.ratio.value:.2f} times as good as in the baseline ({span}): {word}"


def need_same_model(now: Results, then: Results) -> None:
    """Raise SetupError where two runs are of different models."""
    mine, before = now.about["model"]["version"], then.about["model"]["version"]
    if mine != before:
        raise SetupError(f"the baseline is of another model: version {before}, now {mine}")


def changes(now: Results, then: Results) -> list[Change]:
    """Every number of Modelport that both runs have. Raises SetupError where they have none, or are of different models."""
    need_same_model(now, then)
    found = [change for change in _changes(now, then) if change.ratio.low is not None]
    if not found:
        raise SetupError(
            "the baseline and this run have no number of Modelport with an interval in common: run both with the same cases "
            "and at least 2 rounds, better 5"
        )
    return found


def doubts(now: Results, then: Results) -> list[str]:
    """Why the two runs may differ for other reasons than Modelport."""
    keys = ("processor", "cores", "kernel", "python")
    return [
        f"{key}: {then.about['machine'].get(key, 'unknown')} in the baseline, {now.about['machine'].get(key, 'unknown')} now"
        for key in keys
        if then.about["machine"].get(key) != now.about["machine"].get(key)
    ]


def _changes(now: Results, then: Results) -> Iterator[Change]:
    for case in now.cases:
        name = case["name"]
        pairs = (
            ("requests per second", [[m.per_s for m in r.of(OURS, name, open_loop=False)] for r in (now, then)]),
            ("requests per CPU second", [_per_cpu_s(r, name) for r in (now, then)]),
        )
        for what, (mine, before) in pairs:
            ratio = welch_ratio(mine, before, LEVEL)
            if ratio is not None:
                yield Change(f"{what}, {case['title']}", ratio)
        yield from _figures(now, then, case)
    starts = [[s.first_answer_s for s in r.starts if s.contestant == OURS] for r in (then, now)]
    sizes = [[float(s.pss_idle_bytes) for s in r.starts if s.contestant == OURS] for r in (then, now)]
    for what, (before, mine) in (("first answer after the start", starts), ("memory after the start", sizes)):
        ratio = welch_ratio(before, mine, LEVEL)  # less is better: then over now
        if ratio is not None:
            yield Change(what, ratio)


def _figures(now: Results, then: Results, case: dict[str, Any]) -> Iterator[Change]:
    """Those that are judged: each knows whether more of it is better."""
    for figure in figures_of(case["name"]):
        mine, before = ([*by_round(run, figure, OURS).values()] for run in (now, then))
        ratio = welch_ratio(mine, before, LEVEL) if figure.more_is_better else welch_ratio(before, mine, LEVEL)
        if ratio is not None and figure.more_is_better is not None:
            yield Change(f"{case['title']}: {figure.title}", ratio)


def _per_cpu_s(results: Results, case: str) -> list[float]:
    return [m.answers / m.cpu_s for m in results.of(OURS, case, open_loop=False) if m.cpu_s > 0]

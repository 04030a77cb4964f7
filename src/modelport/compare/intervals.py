"""Confidence intervals over the rounds. Speeds differ by factors, so everything is computed on logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

# Student's t, two-sided, by degrees of freedom; the last entry of each serves for more.
_T = {
    0.95: (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    0.99: (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947),
}


@dataclass(frozen=True)
class Interval:
    """A geometric mean over rounds and where it may lie, or what `between_rounds` tells. Of one round only the value is known."""

    value: float
    low: float | None
    high: float | None
    rounds: int

    def excludes(self, number: float) -> bool:
        """Whether the interval says that the value is another one."""
        return self.low is not None and self.high is not None and not self.low <= number <= self.high


def interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """The mean of positive values with its interval; None where there is none, or one is not positive."""
    if not values or min(values) <= 0:
        return None
    logs = [math.log(value) for value in values]
    if len(logs) < 2:
        return Interval(values[0], None, None, 1)
    return _around(fmean(logs), math.sqrt(variance(logs) / len(logs)), len(logs) - 1, level, len(logs))


def between_rounds(pooled: float, rounds: Sequence[float | None]) -> Interval:
    """A percentile of all answers, between the lowest and the highest of its rounds; without these where a round does not bear it.

    A t-interval of percentiles would be none: tails are skewed, and the percentile of all may lie outside.
    """
    found = [value for value in rounds if value is not None]
    if len(found) < max(2, len(rounds)):
        return Interval(pooled, None, None, len(found))
    return Interval(pooled, min(found), max(found), len(found))


def confidence_between(rounds: int) -> float:
    """How surely the lowest and the highest of so many rounds hold the median of all rounds there could be.

    All of them lie on one side of it with a probability of 2 / 2^rounds, whatever the distribution (order statistics:
    David and Nagaraja, Order Statistics, 3rd edition, section 7.1).
    """
    return 1 - 2.0 ** (1 - rounds)


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> Interval | None:
    """Ours over theirs, round by round: what slowed a whole round down falls out."""
    if len(ours) != len(theirs) or not ours or min(*ours, *theirs) <= 0:
        return None
    return interval([one / other for one, other in zip(ours, theirs, strict=True)], level)


def welch_ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.99) -> Interval | None:
    """Ours over theirs from two runs, whose rounds have nothing to do with each other."""
    if not ours or not theirs or min(*ours, *theirs) <= 0:
        return None
    left, right = [math.log(v) for v in ours], [math.log(v) for v in theirs]
    middle = fmean(left) - fmean(right)
    rounds = min(len(left), len(right))
    if rounds < 2:
        return Interval(math.exp(middle), None, None, rounds)
    a, b = variance(left) / len(left), variance(right) / len(right)
    if a + b == 0:
        return Interval(math.exp(middle), math.exp(middle), math.exp(middle), rounds)
    freedom = (a + b) ** 2 / (a**2 / (len(left) - 1) + b**2 / (len(right) - 1))
    return _around(middle, math.sqrt(a + b), max(1, math.floor(freedom)), level, rounds)


def _around(middle: float, error: float, freedom: int, level: float, rounds: int) -> Interval:
    table = _T[level]
    reach = table[min(freedom, len(table)) - 1] * error
    return Interval(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach), rounds)

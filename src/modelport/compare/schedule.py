"""The order of things: rounds outermost, each beginning with another contestant; and which rates requests arrive at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHARE_LOW, SHARE_HIGH = 0.6, 0.85
"""Arrival rates reach from a part of the slowest capacity to a part of the fastest."""
REACHABLE = 0.95
"""Above this part of its rough capacity a server may fall behind, and its latency would tell how long the load was."""
APART = 1.25
"""Rates that are nearer to each other tell the same twice."""


def rotated(items: Sequence[T], by: int) -> list[T]:
    """Return the items starting from another one each round, so that nobody always runs after the same neighbour."""
    start = by % len(items)
    return [*items[start:], *items[:start]]


def order(names: Sequence[T], rounds: int) -> list[tuple[int, T]]:
    """Every start of the run: a slow minute of the machine hits one round of all, not all rounds of one."""
    return [(number, name) for number in range(rounds) for name in rotated(names, number)]


def arrival_rates(capacities: Sequence[float], count: int, most: float = math.inf) -> list[float]:
    """The same rates for everybody, none above `most`, from what the slowest can do to what the fastest can.

    Most contestants are much alike and a few much faster: more than half of the rates are those that two in three keep up with,
    so that each has several, and the others lead on to the fastest.
    """
    ordered = sorted(capacities)
    low, high = min(SHARE_LOW * ordered[0], most), min(SHARE_HIGH * ordered[-1], most)
    middle = min(SHARE_HIGH * ordered[(len(ordered) - 1) // 3], high)
    if count == 1 or high < APART * low:
        return [low]
    if high < APART * middle or middle < APART * low:
        return _spread(low, high, count)
    many = count // 2 + 1
    return [*_spread(low, middle, many), *_spread(middle, high, count - many + 1)[1:]]


def _spread(low: float, high: float, count: int) -> list[float]:
    """Evenly by factors, both ends among them."""
    return [low * (high / low) ** (step / max(1, count - 1)) for step in range(count)]


def reachable(rates: Sequence[float], capacity: float) -> list[float]:
    """Those that a contestant has a chance to keep up with; beyond, its queue grows as long as the run lasts."""
    return [rate for rate in rates if rate <= capacity * REACHABLE]

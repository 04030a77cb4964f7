"""The order of things: rounds outermost, each beginning with another contestant; and which rates requests arrive at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHARE_LOW, SHARE_HIGH = 0.4, 0.85
"""Arrival rates reach from a part of the slowest capacity to a part of the fastest."""
REACHABLE = 1.1


def rotated(items: Sequence[T], by: int) -> list[T]:
    """Return the items starting from another one each round, so that nobody always runs after the same neighbour."""
    start = by % len(items)
    return [*items[start:], *items[:start]]


def order(names: Sequence[T], rounds: int) -> list[tuple[int, T]]:
    """Every start of the run: a slow minute of the machine hits one round of all, not all rounds of one."""
    return [(number, name) for number in range(rounds) for name in rotated(names, number)]


def arrival_rates(capacities: Sequence[float], count: int) -> list[float]:
    """The same rates for everybody, evenly spread by factors between what the slowest and what the fastest can do."""
    low, high = SHARE_LOW * min(capacities), SHARE_HIGH * max(capacities)
    if count == 1 or high <= low:
        return [low]
    return [low * (high / low) ** (step / (count - 1)) for step in range(count)]


def reachable(rates: Sequence[float], capacity: float) -> list[float]:
    """Those that a contestant has a chance to keep up with; beyond, its queue grows as long as the run lasts."""
    return [rate for rate in rates if rate <= capacity * REACHABLE]

"""The order of things and how long they take: rounds outermost, each beginning with another contestant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

START_S, CHECK_S = 4.0, 2.5
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


def trial_s(cases: int, load_s: float, latency_s: float, rates: float) -> float:
    """About how long one start takes."""
    return START_S + cases * (load_s + rates * latency_s)


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"

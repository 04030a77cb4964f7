"""Latencies as counts in buckets that are 1 % wide: small enough to publish whole, fine enough for any percentile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

WIDTH = math.log(1.01)
ABOVE_IT = 10
"""A percentile is told only where at least so many samples lie above it: fewer, and it is one request's fate."""


class Histogram:
    """How many answers took how long; seconds in, seconds out."""

    def __init__(self, counts: Iterable[Sequence[int]] = ()) -> None:
        self.counts: Counter[int] = Counter()
        for bucket, count in counts:
            self.counts[bucket] += count

    def add(self, seconds: float) -> None:
        """Count one answer."""
        self.counts[_bucket(seconds)] += 1

    @property
    def total(self) -> int:
        """How many answers."""
        return self.counts.total()

    def merged(self, other: Histogram) -> Histogram:
        """Both together."""
        together = Histogram()
        together.counts = self.counts + other.counts
        return together

    def bears(self, share: float) -> bool:
        """Whether there are answers enough above this percentile to tell it."""
        return self.total * (1 - share) >= ABOVE_IT - 1e-6

    def percentile(self, share: float) -> float | None:
        """The latency that this share of the answers did not exceed; None where the samples do not bear it."""
        if not self.bears(share):
            return None
        wanted, seen = math.ceil(share * self.total), 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return _middle(bucket)
        return None

    @property
    def longest(self) -> float | None:
        """The longest latency; None where there is no answer."""
        return _middle(max(self.counts)) if self.counts else None

    def plain(self) -> list[list[int]]:
        """As JSON holds it: pairs of a bucket and its count, by latency."""
        return [[bucket, self.counts[bucket]] for bucket in sorted(self.counts)]


def _bucket(seconds: float) -> int:
    return math.floor(math.log(max(seconds, 1e-7) * 1e6) / WIDTH)


def _middle(bucket: int) -> float:
    return math.exp((bucket + 0.5) * WIDTH) / 1e6

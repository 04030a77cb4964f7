"""What predictions cost: in cores, in instances, and in money where a price is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.compare.findings import Capacity, capacities
from modelport.compare.results import Results

HEADROOM = 0.6
"""Nobody runs at capacity: the part of it that is planned with."""
RATE = 1000.0
"""Predictions per second that instances are counted for."""


@dataclass(frozen=True)
class Cost:
    """One contestant in one case."""

    contestant: str
    per_core_s: float
    cpu_s_per_million: float
    instances: int
    money_per_million: float | None


def costs(results: Results, case: dict[str, object], price: float | None) -> list[Cost]:
    """In predictions, not requests; the price is what one hour of a machine like this one costs."""
    rows = int(str(case["rows"]))
    cores = int(results.about["machine"]["cores"])
    measured = len(results.about["plan"]["cores"]["server"])
    return [_cost(c, rows, cores, measured, price) for c in capacities(results, str(case["name"]))]


def _cost(capacity: Capacity, rows: int, cores: int, measured: int, price: float | None) -> Cost:
    per_core = capacity.per_s.value * rows / measured
    per_machine = per_core * cores * HEADROOM
    return Cost(
        contestant=capacity.contestant,
        per_core_s=per_core,
        cpu_s_per_million=capacity.cpu_s_per_1000 * 1000 / rows,
        instances=math.ceil(RATE / per_machine),
        money_per_million=None if price is None else price / 3600 / per_machine * 1e6,
    )

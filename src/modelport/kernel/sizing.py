"""How many rows a batch may have: within the latency target, and no more than pays."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.kernel.cost import CostModel

WORTH = 1.1
"""A batch must be at least so many times quicker than its rows one by one; else the first of them would wait for nothing."""

ENOUGH = 5
"""Batches to see before anything is concluded: 1, 2, 4, 8 and 16 rows under load. The first one is often slow."""

EXPLORE_EVERY, EXPLORE_ROWS = 256, 8
"""One batch in so many has so many rows all the same, so that a model that has changed its ways is found out."""


@dataclass(slots=True)
class BatchSizer:
    """Chooses the size of the next batch from the measured cost.

    `target_s`: within which a call should be answered, None where nobody set it.
    """

    max_rows: int
    target_s: float | None = None
    batches: int = 0

    def rows(self, cost: CostModel) -> int:
        """The bound for the next batch."""
        self.batches += 1
        if self.max_rows == 1:
            return 1
        most = min(self.max_rows, 2 * cost.most_rows or 1)  # by doubling: a size that does not pay has cost little
        if cost.observations >= ENOUGH and not cost.tells_apart:  # always the same size of late: try another
            return 1 if cost.mean_rows > 1 else min(most, EXPLORE_ROWS)
        if not self.pays(cost):
            return min(most, EXPLORE_ROWS) if self.batches % EXPLORE_EVERY == 0 else 1
        return most if self.target_s is None else cost.rows_within(self._batch_s(cost, self.target_s), most)

    def _batch_s(self, cost: CostModel, target_s: float) -> float:
        """How long a batch may take: half the target, since a call that has just missed one waits for it to end.

        Where its fixed cost alone is nearly that, small batches would do little else: then twice the fixed cost.
        """
        fixed_s, _ = cost.coefficients()
        return max(target_s / 2, min(target_s, 2 * fixed_s))

    def pays(self, cost: CostModel) -> bool:
        """Whether batching gains anything, as far as is known: what has not been tried gets its try."""
        return cost.observations < ENOUGH or cost.gain(self.max_rows) >= WORTH

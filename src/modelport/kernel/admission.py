"""Whether a call may queue: bounded rows, and no promise that the measured cost says cannot be kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf

from modelport.kernel.cost import CostModel
from modelport.kernel.meters import QUEUE_FULL, TOO_LATE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is refused now, when it is worth another try, and how it is counted."""

    reason: str
    retry_after_s: int
    kind: int = QUEUE_FULL


@dataclass(slots=True)
class Admission:
    """The rule of one model. What waits is counted over all workers, what runs included: rows, and the bytes of their bodies.

    `target_s`: the latency that the user has asked for. `parallel`: how many batches run at once.
    """

    queue_rows: int
    max_rows: int
    cost: CostModel
    target_s: float = inf
    parallel: int = 1
    queue_bytes: float = inf

    def decide(
        self, waiting: int, rows: int, seconds_left: float, waiting_bytes: int = 0, size: int = 0
    ) -> Refusal | None:
        """None to admit. A call larger than the whole queue is admitted where nothing waits."""
        if waiting and waiting + rows > self.queue_rows:
            return queue_full(waiting, self.queue_rows, self.max_rows, self.cost)
        if waiting and waiting_bytes + size > self.queue_bytes:
            reason = f"the queue is full ({waiting_bytes:,} of {self.queue_bytes:,} bytes)"
            return Refusal(reason, _retry(self.cost.drain_seconds(waiting, self.max_rows)))
        drain_s = self.cost.drain_seconds(waiting, self.max_rows) / self.parallel
        done_s = self.cost.drain_seconds(waiting + rows, self.max_rows) / self.parallel
        if waiting and done_s > seconds_left:
            reason = f"the queue would take {done_s:.2g} s, the deadline is in {seconds_left:.2g} s"
            return Refusal(reason, _retry(drain_s), TOO_LATE)
        if waiting and done_s > self.target_s and done_s > self._least_s(rows):
            reason = f"the queue would take {done_s:.2g} s, the latency target is {self.target_s:.2g} s"
            return Refusal(reason, _retry(drain_s), TOO_LATE)
        return None

    def _least_s(self, rows: int) -> float:
        """A target that the model cannot meet must not refuse all but one: one call runs, one may wait."""
        return 2 * self.cost.drain_seconds(rows, self.max_rows)


def queue_full(waiting: int, queue_rows: int, max_rows: int, cost: CostModel) -> Refusal:
    """The refusal of a queue that has no room."""
    reason = f"the queue is full ({waiting} of {queue_rows} rows)"
    return Refusal(reason, _retry(cost.drain_seconds(waiting, max_rows)))


def _retry(drain_s: float) -> int:
    """Half the queue's time, in whole seconds: by then there is room again. HTTP knows no smaller unit than 1."""
    return max(1, math.ceil(drain_s / 2))

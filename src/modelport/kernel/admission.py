"""Whether a call may queue: bounded rows, and no promise that the measured cost says cannot be kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    """The rule of one model. `waiting` are the rows queued or running, over all workers."""

    queue_rows: int
    max_rows: int
    cost: CostModel

    def decide(self, waiting: int, rows: int, seconds_left: float) -> Refusal | None:
        """None to admit. A call larger than the whole queue is admitted where nothing waits."""
        drain_s = self.cost.drain_seconds(waiting, self.max_rows)
        if waiting and waiting + rows > self.queue_rows:
            return Refusal(f"the queue is full ({waiting} of {self.queue_rows} rows)", _retry(drain_s))
        done_s = self.cost.drain_seconds(waiting + rows, self.max_rows)
        if waiting and done_s > seconds_left:
            reason = f"the queue would take {done_s:.2g} s, the deadline is in {seconds_left:.2g} s"
            return Refusal(reason, _retry(drain_s), TOO_LATE)
        return None


def _retry(drain_s: float) -> int:
    """Half the queue's time, in whole seconds: by then there is room again. HTTP knows no smaller unit than 1."""
    return max(1, math.ceil(drain_s / 2))

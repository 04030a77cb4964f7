"""The holder's side of a call: how long it may run, and what is answered whatever its code does."""

from __future__ import annotations

import time

from modelport.kernel.batcher import Batch, Ticket
from modelport.runtime.holder import HardLimits


def batch_of(*deadlines: float) -> Batch:
    """A batch of calls with these deadlines."""
    return Batch(slices=[(Ticket([0], None, deadline), range(1)) for deadline in deadlines])


def test_a_short_deadline_of_one_caller_does_not_shorten_how_long_a_process_may_run() -> None:
    now = time.monotonic()
    assert HardLimits(30.0, 0.5).of(batch_of(now + 0.05)) >= now + 30.5


def test_a_caller_who_waits_longer_lets_the_batch_run_longer() -> None:
    now = time.monotonic()
    assert HardLimits(30.0, 0.5).of(batch_of(now + 1, now + 100)) == now + 100.5

"""How long a stream may keep its process: for ever while it comes on, and no longer than a call where it does not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from modelport.kernel.batcher import Batch, Ticket
from modelport.runtime.generators import GONE, Stream
from modelport.runtime.stream_holder import StreamWatch
from modelport.runtime.watch import HardLimits


class Board:
    """Notes until when each batch may run."""

    def __init__(self) -> None:
        self.limits: dict[int, float] = {}

    def begin(self, slot: int, hard_limit: float, digests: Sequence[bytes], batch: int = 0) -> None:
        self.limits[batch] = hard_limit

    def shorten(self, slot: int, hard_limit: float, batch: int = 0) -> None:
        self.limits[batch] = min(self.limits[batch], hard_limit)

    def end(self, slot: int, batch: int = 0) -> None:
        del self.limits[batch]

    def beat(self, slot: int) -> None:
        """Nothing."""


class Executor:
    """Notes what is cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[Any] = []

    def cancel(self, records: Sequence[Any]) -> None:
        self.cancelled += records


def running(patience_s: float = 30.0) -> tuple[StreamWatch, Board, Executor, Batch]:
    """A watch over one stream."""
    board, executor = Board(), Executor()
    watch = StreamWatch(board, 0, HardLimits(30.0, 0.5), executor)
    stream = Stream(None, patience_s, lambda item: None)
    batch = Batch([stream], [(Ticket([stream], None, time.monotonic() + patience_s), range(1))])
    watch.begin(batch)
    return watch, board, executor, batch


def test_a_stream_that_comes_on_has_the_whole_time_again() -> None:
    watch, board, _, batch = running()
    watch.renew(1_000_000.0)
    assert board.limits[id(batch)] == 1_000_030.5


def test_a_caller_who_waits_longer_lets_each_step_run_longer() -> None:
    watch, board, _, batch = running(patience_s=600.0)
    watch.renew(1_000_000.0)
    assert board.limits[id(batch)] == 1_000_600.5


def test_a_step_that_does_not_end_is_given_no_more_time() -> None:
    watch, board, _, batch = running()
    batch.records[0].since = 1_000_000.0
    for now in (1_000_001.0, 1_000_020.0):
        watch.renew(now)
        assert board.limits[id(batch)] == 1_000_030.5


def test_a_stream_whose_reader_left_is_cancelled_and_given_no_more_time() -> None:
    watch, board, executor, batch = running(patience_s=600.0)
    ((ticket, _),) = batch.slices
    ticket.left = True
    watch.left(ticket)
    batch.records[0].stop(GONE)
    assert executor.cancelled == batch.records
    limit = board.limits[id(batch)]
    assert limit < time.monotonic() + 31
    watch.renew(1_000_000.0)
    assert board.limits[id(batch)] == limit


def test_a_stream_that_is_over_leaves_nothing_behind() -> None:
    watch, board, executor, batch = running()
    watch.end(batch)
    watch.left(batch.slices[0][0])
    watch.renew(1_000_000.0)
    assert board.limits == {}
    assert executor.cancelled == []

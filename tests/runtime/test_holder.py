"""The holder's side of a call: how long it may run, and what is answered whatever its code does."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import pytest

from modelport.kernel.batcher import Batch, Ticket
from modelport.kernel.frames import Call
from modelport.runtime.handler import Handler
from modelport.runtime.holder import Holder
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.stall import STALL_SECONDS
from modelport.runtime.watch import BatchWatch, HardLimits


class Transport:
    """One whose other end reads nothing."""

    def __init__(self) -> None:
        self.written = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def get_write_buffer_size(self) -> int:
        return self.written

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str) -> socket.socket:
        return self.pair[0]

    pair = socket.socketpair()


async def test_a_worker_that_does_not_read_is_hung_up_on() -> None:
    said: list[str] = []
    holder = Holder(None, None, None, lambda message, request_id: said.append(message))  # type: ignore[arg-type]
    connection, transport = holder.connection(), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    for now in (0.0, STALL_SECONDS - 1, STALL_SECONDS):
        holder.sweep(now)
    assert not transport.aborted
    connection.say_goodbye()
    holder.sweep(STALL_SECONDS + 1)
    assert not transport.aborted
    holder.sweep(2 * STALL_SECONDS + 2)
    assert transport.aborted
    assert said == ["a worker does not read its answers; the line to it is cut"]


@pytest.mark.parametrize(
    ("size", "media", "code", "on_loop"),
    [
        (10, b"", False, True),
        (10, b"", True, False),
        (10**6, b"", False, False),
        (10, b"image/png", False, False),
        (10**6, b"application/octet-stream", False, True),
        (10**6, b"application/octet-stream\napplication/json", False, False),
    ],
)
def test_only_what_is_read_in_a_moment_is_read_on_the_loop(size: int, media: bytes, code: bool, on_loop: bool) -> None:
    octets = frozenset({b"application/octet-stream"})
    handler = Handler(lambda body: ([body], False), lambda _: [], 1, 1, {}, code, read_at_once=octets)
    holder = Holder(handler, None, None, None)  # type: ignore[arg-type]
    holder.reading = Scheduler.__new__(Scheduler)
    assert holder.reads_on_loop(Call(1, 1.0, 1, 0, bytes(size), media=media)) is on_loop


def batch_of(*deadlines: float) -> Batch:
    """A batch of calls with these deadlines."""
    return Batch(slices=[(Ticket([0], None, deadline), range(1)) for deadline in deadlines])


def test_a_short_deadline_of_one_caller_does_not_shorten_how_long_a_process_may_run() -> None:
    now = time.monotonic()
    assert HardLimits(30.0, 0.5).of(batch_of(now + 0.05), now) == now + 30.5


def test_a_caller_who_waits_longer_lets_the_batch_run_longer() -> None:
    now = time.monotonic()
    assert HardLimits(30.0, 0.5).of(batch_of(now + 1, now + 100), now) == now + 100.5


class Board:
    """Notes what is said of batches."""

    def __init__(self) -> None:
        self.limits: list[float] = []
        self.beats = 0

    def begin(self, slot: int, hard_limit: float, digests: Sequence[bytes], batch: int = 0) -> None:
        self.limits.append(hard_limit)

    def shorten(self, slot: int, hard_limit: float, batch: int = 0) -> None:
        self.limits.append(hard_limit)

    def end(self, slot: int, batch: int = 0) -> None:
        self.limits.clear()

    def beat(self, slot: int) -> None:
        self.beats += 1


def test_a_batch_is_waited_for_no_longer_than_usual_when_its_last_caller_has_left() -> None:
    board, now = Board(), time.monotonic()
    watch = BatchWatch(board, 0, HardLimits(30.0, 0.5))
    batch = batch_of(now + 3600, now + 7)
    watch.begin(batch)
    patient, hurried = (ticket for ticket, _ in batch.slices)
    patient.left = True
    watch.left(patient)
    assert board.limits == [now + 3600.5]
    hurried.left = True
    watch.left(hurried)
    assert len(board.limits) == 2
    assert board.limits[1] < time.monotonic() + 30.6


def test_a_caller_whose_deadline_passes_leaves_the_limit_and_the_blame_as_they_are() -> None:
    board = Board()
    watch = BatchWatch(board, 0, HardLimits(30.0, 0.5))
    batch = batch_of(time.monotonic() + 1)
    watch.begin(batch)
    batch.slices[0][0].left = True
    watch.left(batch.slices[0][0])
    assert len(board.limits) == 1


def test_the_end_of_a_batch_is_a_sign_of_life() -> None:
    board = Board()
    watch = BatchWatch(board, 0, HardLimits(30.0, 0.5))
    batch = batch_of(time.monotonic() + 1)
    watch.begin(batch)
    watch.end(batch)
    assert board.beats == 1

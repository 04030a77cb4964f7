"""The shared board: exact over processes, whichever of them dies when."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.meters import FAILED, OK, TOO_LATE, ModelReading
from modelport.runtime.shared import MAX_DIGESTS, SharedBoard

ROOT = Path(__file__).parents[2]


@pytest.fixture
def board() -> Iterator[SharedBoard]:
    board = SharedBoard.create(slots=4, models=3)
    yield board
    board.close()


def test_a_private_board_counts_for_one_process_alone() -> None:
    """A server that forks after it has imported an application makes several processes of one board."""
    board = SharedBoard.create(slots=1, models=1, private=True)
    board.claim(0, "worker")
    child = os.fork()
    if child == 0:
        board.recorder(0, 0).request(OK, 0.1)
        os._exit(0 if board.read_model(0).requests[OK] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert board.read_model(0).requests[OK] == 0
    board.close()


Start = Callable[[int, int], "subprocess.Popen[str]"]


@pytest.fixture
def start(board: SharedBoard) -> Iterator[Start]:
    """Starts a writer in a slot, and waits until it counts."""
    started = []

    def start_writer(slot: int, times: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.runtime.board_writer", str(board.fd), str(slot), str(times)]
        child = subprocess.Popen(command, cwd=ROOT, pass_fds=[board.fd], stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "counting\n"
        return child

    yield start_writer
    for child in started:
        child.kill()
        child.communicate()


def counted(board: SharedBoard, times: int) -> bool:
    """Whether every figure of the writers says so many times, and no two figures differ."""
    read = board.read_model(0)
    assert read.requests[OK] == read.request_seconds.observations == times
    assert (read.request_seconds.total, read.model_seconds.total) == (0.5 * times, 0.125 * times)
    assert (read.batch_rows.observations, read.batch_rows.total) == (times, 2 * times)
    return (read.queue_seconds.observations, read.queue_seconds.total) == (2 * times, 0.5 * times)


# -- real processes ------------------------------------------------------------------------------------------------


def test_two_processes_that_count_at_once_are_summed_exactly(board: SharedBoard, start: Start) -> None:
    children = [start(0, 20_000), start(1, 30_000)]
    assert [child.wait() for child in children] == [0, 0]
    assert counted(board, 50_000)
    assert (board.waiting_rows(0), board.waiting_bytes(0)) == (10, 100)


def test_a_killed_process_leaves_its_counts_and_its_successor_goes_on(board: SharedBoard, start: Start) -> None:
    first = start(0, 0)
    while board.read_model(0).requests[OK] < 1000:
        assert first.poll() is None
    first.kill()
    first.wait()
    board.clear_gauges(0)
    before = board.read_model(0).requests[OK]
    assert before >= 1000
    assert (board.waiting_rows(0), board.waiting_bytes(0), board.processes()[1:]) == (0, 0, [])
    successor = start(0, 5000)
    assert successor.wait() == 0
    assert board.read_model(0).requests[OK] == before + 5000
    assert board.waiting_rows(0) == 5


def test_no_reader_ever_sees_a_counter_fall(board: SharedBoard, start: Start) -> None:
    last = 0.0
    for _ in range(3):
        child, goal = start(0, 0), last + 5000
        while last < goal:
            count = board.read_model(0).requests[OK]
            assert count >= last
            assert child.poll() is None
            last = count
        child.kill()
        child.wait()
        board.clear_gauges(0)


def test_what_ran_in_a_killed_process_can_still_be_read(board: SharedBoard, start: Start) -> None:
    child = start(2, 0)
    child.kill()
    child.wait()
    since, limit, digests = board.running(2)
    assert since > 0
    assert (limit, digests) == (1e9, [b"\x02" * 8])
    board.clear_gauges(2)
    assert board.running(2) == (0.0, 0.0, [])


def test_everybody_who_counts_is_listed_with_the_supervisor(board: SharedBoard, start: Start) -> None:
    child = start(1, 0)
    assert [(p.pid, p.role) for p in board.processes()] == [(os.getpid(), "supervisor"), (child.pid, "worker")]


# -- one process ---------------------------------------------------------------------------------------------------


def test_a_server_of_one_process_lists_itself_once(board: SharedBoard) -> None:
    board.claim(0, "worker")
    assert [(p.pid, p.role, p.model) for p in board.processes()] == [(os.getpid(), "worker", None)]


def test_a_holder_tells_which_model_it_holds(board: SharedBoard) -> None:
    board.claim(3, "holder", model=2)
    assert board.processes()[0].model == 2


def test_slots_and_models_do_not_touch_each_other(board: SharedBoard) -> None:
    for slot in range(4):
        board.claim(slot, "worker")
        for model in range(3):
            board.recorder(slot, model).request(FAILED, 10.0**model)
            board.recorder(slot, model).waiting(10**model, 10)
            board.recorder(slot, model).running(1)
    for model in range(3):
        read = board.read_model(model)
        assert (read.requests[FAILED], read.request_seconds.total) == (4, 4 * 10.0**model)
        assert (read.waiting_rows, read.running_batches) == (4 * 10**model, 4)
    board.clear_gauges(1)
    assert [board.waiting_rows(model) for model in range(3)] == [3, 30, 300]
    assert board.read_model(0).requests[FAILED] == 4


def test_a_board_that_nobody_uses_reads_as_zero(board: SharedBoard) -> None:
    read = board.read_model(1)
    assert not any((*read.requests, *read.shed, read.waiting_rows, read.restarts, read.model_seconds.observations))


def test_refusals_are_counted_by_reason(board: SharedBoard) -> None:
    board.claim(0, "worker")
    board.recorder(0, 0).shed(TOO_LATE)
    assert board.read_model(0).shed == (0, 1)


def test_restarts_are_counted_by_role_and_model(board: SharedBoard) -> None:
    board.count_restart("worker")
    for model in (1, 1, 2):
        board.count_restart("holder", model)
    assert board.restarts() == {"worker": 1, "holder": 3}
    assert [board.read_model(model).restarts for model in range(3)] == [0, 2, 1]


@pytest.mark.parametrize(("slot", "model"), [(4, 0), (-1, 0), (0, 3), (0, -1)])
def test_a_place_that_is_not_on_the_board_is_refused(board: SharedBoard, slot: int, model: int) -> None:
    """It would be somebody else's cells."""
    with pytest.raises(IndexError):
        board.recorder(slot, model)


def test_a_descriptor_of_something_else_is_refused() -> None:
    fd = os.memfd_create("other")
    os.ftruncate(fd, 4096)
    with pytest.raises(ValueError, match="not a board"):
        SharedBoard.open(fd)
    os.close(fd)


# -- what runs -----------------------------------------------------------------------------------------------------


def test_of_batches_that_run_at_once_the_earliest_limit_counts(board: SharedBoard) -> None:
    """The end of one must not take the other's limit away."""
    board.begin(0, 20.0, [b"a" * 8, b"b" * 8], batch=1)
    board.begin(0, 10.0, [b"b" * 8, b"c" * 8], batch=2)
    assert board.running(0)[1:] == (10.0, [b"a" * 8, b"b" * 8, b"c" * 8])
    board.end(0, batch=2)
    assert board.running(0)[1:] == (20.0, [b"a" * 8, b"b" * 8])
    board.end(0, batch=1)
    assert board.running(0)[1:] == (0.0, [])


def test_of_very_many_calls_the_first_are_remembered(board: SharedBoard) -> None:
    digests = [number.to_bytes(8, "big") for number in range(1000)]
    board.begin(1, 5.0, digests)
    board.begin(2, 6.0, [b"z" * 8])
    assert board.running(1)[2] == digests[:MAX_DIGESTS]
    assert board.running(2)[2] == [b"z" * 8]


def test_the_end_of_what_never_began_is_nothing(board: SharedBoard) -> None:
    board.end(0)
    assert board.running(0)[1:] == (0.0, [])


requests = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 7), st.floats(0, 200)), max_size=60)


@settings(max_examples=100, deadline=None)
@given(requests)
def test_every_request_is_counted_once_and_in_its_place(told: list[Any]) -> None:
    board = SharedBoard.create(4, 3)
    for slot in range(4):
        board.claim(slot, "worker")
    for slot, model, outcome, seconds in told:
        board.recorder(slot, model).request(outcome, seconds)
    for model in range(3):
        mine = [(outcome, seconds) for _, m, outcome, seconds in told if m == model]
        check(board.read_model(model), mine)
    board.close()


def check(read: ModelReading, told: list[tuple[int, float]]) -> None:
    assert read.requests == tuple(sum(outcome == which for outcome, _ in told) for which in range(8))
    assert read.request_seconds.total == pytest.approx(sum(seconds for _, seconds in told))
    below = 0.0
    for bound, count in zip(read.request_seconds.bounds, read.request_seconds.counts, strict=False):
        below += count
        assert below == sum(seconds <= bound for _, seconds in told)


def test_batches_that_end_in_any_order_leave_what_still_runs(board: SharedBoard) -> None:
    for batch in range(100):
        board.begin(0, 10.0 + batch, [batch.to_bytes(8, "little")], batch)
    for batch in [*range(50, 100), *range(0, 50, 2)]:
        board.end(0, batch)
    since, limit, digests = board.running(0)
    assert (limit, since > 0) == (11.0, True)
    assert sorted(digests) == sorted(batch.to_bytes(8, "little") for batch in range(1, 50, 2))


def test_more_batches_than_the_board_has_room_for_are_not_told_as_if_they_were_all(board: SharedBoard) -> None:
    for batch in range(MAX_DIGESTS + 10):
        board.begin(0, 10.0 + batch, [batch.to_bytes(8, "little")], batch)
    for batch in range(5):
        board.end(0, batch)
    assert len(board.running(0)[2]) == MAX_DIGESTS
    for batch in range(5, MAX_DIGESTS + 10):
        board.end(0, batch)
    assert board.running(0)[1:] == (0.0, [])


def test_a_call_that_goes_on_and_on_beside_many_short_ones_costs_no_memory(board: SharedBoard) -> None:
    board.begin(0, 5.0, [b"a" * 8], batch=1)
    for batch in range(2, 5000):
        board.begin(0, 5.0 + batch, [b"b" * 8], batch)
        board.end(0, batch)
    assert board.running(0)[1:] == (5.0, [b"a" * 8])
    assert len(board._runs[0]._limits) < 200

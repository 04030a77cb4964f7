"""The worker's side of a holder: what becomes of calls whose holder dies."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path
from time import monotonic

import pytest

from modelport.kernel.admission import Admission
from modelport.kernel.cost import CostModel
from modelport.kernel.frames import CALL, CREDIT, Answer, FrameReader, encode_answer, encode_hello, encode_item
from modelport.runtime import lane as lanes
from modelport.runtime.lane import HolderLane, LaneConnection, Waiting


class Deadly(asyncio.Protocol):
    """A holder that dies of the first call. Counts the calls that came."""

    calls = 0
    called: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(encode_hello(1))

    def data_received(self, data: bytes) -> None:
        type(self).calls += 1
        self.called.set()
        self.transport.abort()


def new_lane(path: str, retry_lost: bool = False) -> HolderLane:
    """A lane with all the room in the world."""
    waiting = Waiting(lambda: 0, lambda: 0)
    return HolderLane(path, Admission(1000, 1000, CostModel()), waiting, lambda rows, size: None, retry_lost)


async def test_a_call_that_is_there_at_every_death_is_not_sent_on_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "VERDICT_SECONDS", 60.0)  # a busy machine may take longer to notice that the line broke

    class Counting(Deadly):
        called = asyncio.Event()

    path = str(tmp_path / "s")
    server = await asyncio.get_running_loop().create_unix_server(Counting, path)
    lane = new_lane(path)
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    lane.connect()
    lane.send(b"1", 1, inf, answered.set_result)
    async with asyncio.timeout(10):
        while not answered.done() and Counting.calls < 10:
            called = asyncio.ensure_future(Counting.called.wait())
            await asyncio.wait((called, answered), return_when=asyncio.FIRST_COMPLETED)
            Counting.called.clear()
            lane.died(frozenset())  # nothing is known to have run
    assert (await answered).status == lanes.LOST
    assert Counting.calls == lanes.MOST_TRIES
    lane.close()
    server.close()


class Stuck(asyncio.Protocol):
    """A holder that reads nothing more."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(encode_hello(1))
        transport.pause_reading()
        type(self).transport = transport


async def test_what_a_stuck_holder_has_not_taken_is_bounded_though_its_callers_leave(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await asyncio.get_running_loop().create_unix_server(Stuck, path)
    lane = new_lane(path)
    lane.admission.queue_bytes = 10_000_000
    lane.connect()
    await lane.connected.wait()
    refused = 0
    for _ in range(50):
        sent = lane.send(b"x" * 1_000_000, 1, inf, lambda _: None)
        if isinstance(sent, int):
            lane.cancel(sent)
        refused += not isinstance(sent, int)
    assert 30 <= refused < 40
    Stuck.transport.abort()
    lane.close()
    server.close()


async def test_calls_of_a_later_loss_have_the_whole_time_to_be_told_of(tmp_path: Path) -> None:
    lane = new_lane(str(tmp_path / "s"))
    lane.close()
    first, second = LaneConnection(lane), LaneConnection(lane)
    for connection in (first, second):
        lane.connected_to(connection)
        sent = lane.send(b"1", 1, inf, lambda _: None)
        assert isinstance(sent, int)
        connection.sent.add(sent)
    lane.lost(first)
    early = lane.patience
    lane.lost(second)
    assert early is not None
    assert early.cancelled()
    assert lane.patience is not None
    lane.died(frozenset())
    assert lane.patience is None


class Giving(asyncio.Protocol):
    """A holder that gives two items of a stream, and ends it when it has credit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.reader = FrameReader()
        transport.write(encode_hello(1))

    def data_received(self, data: bytes) -> None:
        for frame in self.reader.feed(data):
            if frame.kind == CALL:
                self.transport.write(encode_item(frame.call().id, b"1") + encode_item(frame.call().id, b"2"))
            elif frame.kind == CREDIT:
                self.transport.write(encode_answer(Answer(frame.credit()[0], 200, 0, 0, 0, 0.0, 0.0, b"")))


async def test_a_stream_gives_its_items_before_its_answer_and_has_no_deadline_behind_the_first(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await asyncio.get_running_loop().create_unix_server(Giving, path)
    lane = new_lane(path)
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    got: list[bytes] = []
    both = asyncio.Event()
    sent = lane.send(b"1", 1, monotonic() + 60, answered.set_result)
    assert isinstance(sent, int)
    assert lane._pending[sent].timer is not None

    def take(item: bytes) -> None:
        got.append(item)
        if len(got) == 2:
            both.set()

    lane.listen(sent, take)
    async with asyncio.timeout(10):
        await both.wait()
        assert not answered.done()
        assert lane._pending[sent].timer is None
        lane.credit(sent, 100)
        assert (await answered).status == 200
    assert got == [b"1", b"2"]
    lane.forget(sent)
    lane.close()
    server.close()


async def test_a_stream_of_which_something_has_come_is_not_begun_again(tmp_path: Path) -> None:
    lane = new_lane(str(tmp_path / "s"))
    lane.close()
    connection = LaneConnection(lane)
    lane.connected_to(connection)
    answers: list[Answer] = []
    sent = [lane.send(b"1", 1, inf, answers.append) for _ in range(2)]
    for call_id in sent:
        assert isinstance(call_id, int)
        lane.listen(call_id, lambda item: None)
        connection.sent.add(call_id)
    assert isinstance(sent[0], int)
    connection.data_received(encode_item(sent[0], b"first"))
    lane.lost(connection)
    lane.died(frozenset())  # neither is known to have run
    assert [(answer.id, answer.status) for answer in answers] == [(sent[0], lanes.LOST)]


async def test_items_of_a_stream_that_was_left_are_nobodys(tmp_path: Path) -> None:
    lane = new_lane(str(tmp_path / "s"))
    lane.close()
    connection = LaneConnection(lane)
    lane.connected_to(connection)
    got: list[bytes] = []
    sent = lane.send(b"1", 1, inf, lambda _: None)
    assert isinstance(sent, int)
    lane.listen(sent, got.append)
    lane.cancel(sent)
    connection.data_received(encode_item(sent, b"late") + encode_item(99, b"never asked for"))
    assert got == []

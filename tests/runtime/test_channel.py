"""The line between the supervisor and its children: nobody blocks on it, and nothing is cut."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from modelport.runtime.channel import BadLine, Channel, Line

LONG = "x" * 2_000_000


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    """Both ends of a line."""
    ours, theirs = map(Line, socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_what_the_other_end_does_not_take_yet_is_kept_and_sent_later(ends: tuple[Line, Line]) -> None:
    ours, theirs = ends
    ours.put({"text": LONG})  # would block for ever, were it not kept
    ours.put({"text": "short"})
    assert ours.backlog > len(LONG) // 2
    heard: list[Any] = []
    while len(heard) < 2:
        heard += theirs.receive()
        ours.flush()
    assert heard == [{"text": LONG}, {"text": "short"}]
    assert ours.backlog == 0


def test_descriptors_come_with_their_message_though_it_had_to_wait(ends: tuple[Line, Line]) -> None:
    ours, theirs = ends
    ours.put({"text": LONG})
    reader, writer = os.pipe()
    ours.put({"do": "serve"}, [writer])
    heard: list[Any] = []
    while len(heard) < 2:
        heard += theirs.receive()
        ours.flush()
    (passed,) = theirs.descriptors
    os.write(passed, b"hello")
    assert os.read(reader, 5) == b"hello"
    for descriptor in (reader, writer, passed):
        os.close(descriptor)


def test_an_end_that_is_gone_is_told_nothing_and_heard_as_closed(ends: tuple[Line, Line]) -> None:
    ours, theirs = ends
    ours.put({"text": LONG})
    theirs.close()
    ours.flush()
    assert ours.backlog == 0
    ours.put({"text": "more"})
    while not ours.closed:
        assert ours.receive() == []


@pytest.mark.parametrize("junk", [b"no json\n", b"[1]\n", b"\xff\n", b"\n", b"[" * 60_000 + b"\n"])
def test_what_is_no_message_is_a_bad_line(ends: tuple[Line, Line], junk: bytes) -> None:
    ours, theirs = ends
    theirs.socket.send(junk)
    with pytest.raises(BadLine):
        ours.receive()


def test_a_line_without_an_end_is_a_bad_line(ends: tuple[Line, Line], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelport.runtime.channel.MAX_LINE_BYTES", 1000)
    ours, theirs = ends
    theirs.socket.send(b"x" * 2000)
    with pytest.raises(BadLine):
        ours.receive()


@pytest.mark.parametrize("from_thread", [False, True])
def test_a_child_tells_a_long_story_while_its_loop_goes_on(from_thread: bool) -> None:
    ours, theirs = socket.socketpair()

    async def child() -> list[Any]:
        parent, channel = Line(ours), Channel(theirs.detach())
        channel.listen(lambda _: None, lambda: None)
        if from_thread:
            await asyncio.to_thread(channel.tell, event="ready", text=LONG)
        else:
            channel.tell(event="ready", text=LONG)
        heard: list[Any] = []
        readable = asyncio.Event()
        asyncio.get_running_loop().add_reader(ours, readable.set)
        while not heard:
            await readable.wait()
            heard = parent.receive()
            readable.clear()
        asyncio.get_running_loop().remove_reader(ours)
        parent.close()
        channel.close()
        return heard

    assert asyncio.run(asyncio.wait_for(child(), 10)) == [{"event": "ready", "text": LONG}]


def test_a_child_without_a_loop_waits_until_all_is_sent() -> None:
    ours, theirs = socket.socketpair()
    parent, channel = Line(ours), Channel(theirs.detach())
    telling = threading.Thread(target=channel.tell, kwargs={"text": LONG})
    telling.start()
    heard: list[Any] = []
    while not heard:
        heard = parent.receive()
    telling.join(10)
    assert heard == [{"text": LONG}]
    parent.close()
    channel.close()

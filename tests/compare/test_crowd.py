"""Slow clients, clients that leave, and callers that are held, against a server that really answers."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.compare.crowd import Crowd, crowded
from modelport.compare.memory import Callers
from modelport.compare.pool import request_bytes, write_pool
from modelport.errors import SetupError
from tests.compare.answering import answering

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compare needs Linux")


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server on a port of its own."""
    with answering() as port:
        yield port


def asking(path: str) -> bytes:
    """A short request."""
    return request_bytes("POST", path, b"{}", {})


async def until(crowd: Crowd, word: str, count: int) -> None:
    """Wait until so many have come to this."""
    while crowd.found[word] < count:
        await asyncio.wait(crowd.tasks, timeout=0.01)


@pytest.mark.parametrize("number", [0, 1])
def test_a_slow_client_gets_its_answer_in_the_end(port: int, number: int) -> None:
    async def one() -> Crowd:
        crowd = Crowd(port, [asking("/")], pause_s=0.0005)
        crowd.start(crowd.slow(number, asyncio.Semaphore(0)))
        async with asyncio.timeout(20):
            await until(crowd, "finished", 2)
        await crowd.disperse()
        return crowd

    assert asyncio.run(one()).found["cut"] == 0


def test_a_slow_client_that_is_cut_off_is_counted_and_comes_again(port: int) -> None:
    async def one() -> Crowd:
        crowd = Crowd(port, [asking("/hangs-up")], pause_s=0.0005)
        crowd.start(crowd.slow(1, asyncio.Semaphore(0)))
        async with asyncio.timeout(20):
            await until(crowd, "cut", 2)
        await crowd.disperse()
        return crowd

    assert asyncio.run(one()).found["finished"] == 0


@pytest.mark.parametrize(("path", "word", "never"), [("/waits", "left", "finished"), ("/", "finished", "left")])
def test_clients_that_leave_do_so_unless_they_are_answered_before(port: int, path: str, word: str, never: str) -> None:
    async def some() -> Crowd:
        crowd = Crowd(port, [asking(path)], pause_s=0.03 if word == "left" else 10)
        crowd.start(crowd.leaving(200))
        async with asyncio.timeout(20):
            await until(crowd, word, 5)
        await crowd.disperse()
        return crowd

    assert asyncio.run(some()).found[never] == 0


def test_a_crowd_is_there_while_the_block_lasts_and_says_what_became_of_it(port: int, tmp_path: Path) -> None:
    pool = write_pool([asking("/waits")], tmp_path / "pool")
    with crowded(port, pool, max(os.sched_getaffinity(0)), "--slow", "3", "--pause", "0.001") as found:
        assert found == {}
    assert found["begun"] >= 3


def test_a_crowd_that_does_not_come_is_an_error(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with (
        pytest.raises(SetupError, match=r"did not come(.|\n)*absent"),
        crowded(1, absent, max(os.sched_getaffinity(0)), "--slow", "1", "--pause", "1"),
    ):
        raise AssertionError("the block must not be entered")


@pytest.mark.parametrize(
    ("path", "waiting", "kept"), [("/", 0, 9), ("/closes", 0, 0), ("/hangs-up", 0, 0), ("/waits", 9, 0)]
)
def test_callers_know_who_waits_and_whose_connection_was_kept(port: int, path: str, waiting: int, kept: int) -> None:
    with Callers(port, asking(path)) as callers:
        callers.grow(5)
        callers.grow(9)
        callers.listen(0.3 if path == "/waits" else 10)
        if path == "/closes":
            _listen_until_closed(callers)
        assert (callers.waiting, callers.answered_and_open) == (waiting, kept)


def _listen_until_closed(callers: Callers) -> None:
    """The end of a connection may come after its answer."""
    limit = time.monotonic() + 10
    while callers.answered_and_open and time.monotonic() < limit:
        callers.listen(0)


def test_callers_who_find_nobody_are_none() -> None:
    with Callers(1, b"") as callers:
        callers.grow(3)
        assert callers.waiting == 0

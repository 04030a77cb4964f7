"""Bodies and answers that are read in threads: whoever waits for one leaves, or runs out of time, as everywhere else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from modelport.fronts import negotiation, predict, translated
from modelport.fronts.readers import Readers, Reading
from modelport.fronts.reception import Holding, Reception
from modelport.kernel.admission import Refusal
from tests.fronts.models import TRACK
from tests.fronts.service import assert_error, open_service

MSGPACK = "application/msgpack"
BODY = msgspec.msgpack.encode([TRACK])


class Busy(NamedTuple):
    """Threads that have no time until they are set free."""

    readers: Readers
    free: Event


@pytest.fixture
async def busy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Busy]:
    """The only thread that reads is taken until the event is set, and one more body may wait."""
    only, begun, free = Readers(threads=1, most_waiting=1), asyncio.Event(), Event()
    monkeypatch.setattr(predict, "READERS", only)
    monkeypatch.setattr(translated, "READERS", only)
    loop = asyncio.get_running_loop()

    def hold() -> None:
        loop.call_soon_threadsafe(begun.set)
        free.wait(30)

    done = only.begin(Reading(hold, 0))
    await begun.wait()
    yield Busy(only, free)
    free.set()
    await done


async def counted(client: httpx.AsyncClient, outcome: str) -> int:
    """Requests that ended so."""
    text = (await client.get("/metrics")).text
    return sum(int(n) for n in re.findall(rf'modelport_requests_total{{[^}}]*outcome="{outcome}"[^}}]*}} (\d+)', text))


async def send(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    """The track in MessagePack."""
    return await client.post("/predict", content=BODY, headers={"content-type": MSGPACK, **headers})


async def leave(client: httpx.AsyncClient, after: asyncio.Event | None = None) -> None:
    """Send the track, and be gone, at once or after something has happened."""
    told = [{"type": "http.request", "body": BODY}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        if len(told) == 1 and after is not None:
            await after.wait()
        return told.pop(0)

    async def answer(message: Any) -> None:
        raise AssertionError(message)

    head = [(b"content-type", MSGPACK.encode())]
    app = client._transport.app  # type: ignore[attr-defined]
    await app({"type": "http", "method": "POST", "path": "/predict", "headers": head}, receive, answer)


async def test_a_deadline_covers_the_reading_of_a_body(track: httpx.AsyncClient, busy: Busy) -> None:
    assert_error(await send(track, **{"request-timeout": "0.01"}), 504, ["deadline_exceeded"])
    assert await counted(track, "expired") == 1


async def test_pages_do_not_wait_for_bodies(track: httpx.AsyncClient, busy: Busy) -> None:
    assert (await track.get("/metrics")).status_code == 200
    assert (await track.get("/status")).status_code == 200
    assert not busy.free.is_set()


async def test_a_caller_who_leaves_while_its_body_waits_to_be_read_is_counted_and_forgotten(
    track: httpx.AsyncClient, busy: Busy
) -> None:
    await leave(track)
    assert await counted(track, "cancelled") == 1
    busy.free.set()
    assert (await send(track)).status_code == 200
    assert await counted(track, "cancelled") == 1
    assert await counted(track, "ok") == 1


async def test_the_room_of_a_body_is_taken_until_its_thread_lets_go_of_it(
    fake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, taken = asyncio.Event(), Event(), []
    loop = asyncio.get_running_loop()

    def read(body: bytes) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(30)
        return b"[]"

    def release(reception: Reception, request: Holding) -> None:
        taken.append(request.reserved)
        original(reception, request)

    original = Reception.release
    monkeypatch.setattr(Reception, "release", release)
    monkeypatch.setattr(negotiation, "msgpack_to_json", read)
    async with open_service(fake("track")) as client:
        await leave(client, after=begun)
        assert taken == [0]
        go_on.set()
        async with asyncio.timeout(30):
            while len(taken) < 2:
                assert await counted(client, "cancelled") == 1
        assert taken == [0, len(BODY)]


async def test_no_more_than_so_many_bodies_wait_to_be_read(track: httpx.AsyncClient, busy: Busy) -> None:
    waiting = busy.readers.begin(Reading(Event, 0))
    refused = await send(track)
    assert "1 bodies wait" in assert_error(refused, 503, ["overloaded"])[0]["msg"]
    assert refused.headers["retry-after"] == "1"
    assert await counted(track, "shed") == 1
    busy.free.set()
    await waiting
    assert (await send(track)).status_code == 200


async def test_what_nobody_waits_for_is_not_begun_and_makes_room() -> None:
    few, free, ran = Readers(threads=1, most_waiting=1), Event(), Event()
    first, second = Reading(free.wait, 0), Reading(ran.set, 0)
    running, waiting = few.begin(first), few.begin(second)
    assert isinstance(few.refusal(), Refusal)
    second.drop()
    assert few.refusal() is None
    free.set()
    await running
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not ran.is_set()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "kind", "outcome"),
    [(ValueError, 406, "not_acceptable", "invalid"), (RuntimeError, 500, "internal_error", "failed")],
)
async def test_an_answer_that_cannot_be_translated_is_told_and_counted_as_what_it_became(
    fake: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    status: int,
    kind: str,
    outcome: str,
    large: bool,
) -> None:
    def fail(answer: bytes) -> bytes:
        raise error("it cannot")

    monkeypatch.setattr(negotiation, "json_to_msgpack", fail)
    monkeypatch.setattr(translated, "LARGE_ANSWER", 0 if large else 1_000_000)
    async with open_service(fake("track")) as client:
        response = await client.post("/predict", json=TRACK, headers={"accept": MSGPACK})
        assert_error(response, status, [kind])
        assert await counted(client, outcome) == 1
        assert await counted(client, "ok") == 0

"""Connections that say nothing: how long each is kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uvicorn.server import ServerState

from modelport.fronts.protocol import HEAD_SECONDS, IDLE_SECONDS, Clock, ModelportProtocol
from modelport.fronts.server import make_server
from modelport.runtime.stall import STALL_SECONDS
from tests.fronts.models import PAUSE


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing to everybody."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of our own."""
    own = Clock()
    monkeypatch.setattr(ModelportProtocol, "clock", own)
    return own


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[tuple[tuple[str, int], asyncio.Queue[ModelportProtocol]]]:
    """A server of one app: its address, and the protocols of the connections that are made to it."""
    config = make_server(app, {}, 1000, None, graceful_s=1.0).config
    config.load()
    made: asyncio.Queue[ModelportProtocol] = asyncio.Queue()

    def protocol() -> ModelportProtocol:
        made.put_nowait(config.http_protocol_class(config=config, server_state=ServerState(), app_state={}))  # type: ignore[call-arg, arg-type]
        return made._queue[-1]  # type: ignore[attr-defined, no-any-return]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname(), made
    finally:
        server.close()


@pytest.mark.parametrize(("asks", "kept_s"), [(False, HEAD_SECONDS), (True, IDLE_SECONDS)])
async def test_a_connection_that_sends_nothing_is_kept_longer_if_it_has_asked_before(
    clock: Clock, asks: bool, kept_s: float
) -> None:
    async with listening(app) as (address, made):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" if asks else b"")
        if asks:
            await reader.readuntil(b"\r\n\r\n")
        connection = await accepted(made)
        clock.now = kept_s - 1
        connection.sweep()
        assert not connection.transport.is_closing()
        clock.now = kept_s + 1
        connection.sweep()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


FLOOD = 20_000_000


async def accepted(made: asyncio.Queue[ModelportProtocol]) -> ModelportProtocol:
    """The next connection, once it has its transport."""
    connection = await made.get()
    await becomes(lambda: connection.transport is not None)
    return connection


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Answer more than any socket buffers."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % FLOOD)]})
    await send({"type": "http.response.body", "body": b"x" * FLOOD})


async def becomes(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.to_thread(PAUSE.wait, 0.001)


async def test_a_caller_that_reads_nothing_is_asked_no_more_and_cut_and_one_that_reads_a_little_is_kept(
    clock: Clock,
) -> None:
    async with listening(flood) as (address, made):
        with socket.create_connection(address) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            connection = await accepted(made)
            await becomes(lambda: connection.transport.get_write_buffer_size() > 0)
            for now in (1.0, STALL_SECONDS - 1):
                clock.now = now
                connection.sweep()
            assert not connection.transport.is_reading()
            left = connection.transport.get_write_buffer_size()
            await becomes(lambda: bool(caller.recv(100_000)) and connection.transport.get_write_buffer_size() < left)
            clock.now = STALL_SECONDS + 2
            connection.sweep()
            assert not connection.transport.is_closing()
            clock.now *= 2
            connection.sweep()
            assert connection.transport.is_closing()
            await becomes(lambda: connection.transport.get_write_buffer_size() == 0)  # and nothing is kept for it


async def test_who_has_read_its_answers_is_asked_again(clock: Clock) -> None:
    async with listening(flood) as (address, made):
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
            async with asyncio.timeout(10):
                for _ in range(2):
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(FLOOD)
        writer.close()
        await made.get()


def test_a_worker_that_ends_waits_for_every_call_that_keeps_to_the_default_deadline() -> None:
    from modelport.config import ServeOptions

    options = ServeOptions(default_deadline=60.0, kill_grace=0.5)
    graceful = make_server(app, {}, 1000, None, options.graceful_s).config.timeout_graceful_shutdown
    assert graceful is not None
    assert graceful >= 60.5

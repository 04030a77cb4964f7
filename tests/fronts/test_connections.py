"""Connections that say nothing: how long each is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.server import ServerState

from modelport.fronts.protocol import HEAD_SECONDS, IDLE_SECONDS, Clock, ModelportProtocol
from modelport.fronts.server import make_server


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


@pytest.mark.parametrize(("asks", "kept_s"), [(False, HEAD_SECONDS), (True, IDLE_SECONDS)])
def test_a_connection_that_sends_nothing_is_kept_longer_if_it_has_asked_before(
    clock: Clock, asks: bool, kept_s: float
) -> None:
    async def connect() -> None:
        config = make_server(app, {}, 1000, None, graceful_s=1.0).config
        config.load()
        made: list[ModelportProtocol] = []
        connected = asyncio.Event()

        def protocol() -> ModelportProtocol:
            made.append(config.http_protocol_class(config=config, server_state=ServerState(), app_state={}))  # type: ignore[call-arg, arg-type]
            connected.set()
            return made[-1]

        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" if asks else b"")
        if asks:
            await reader.readuntil(b"\r\n\r\n")
        await connected.wait()
        clock.now = kept_s - 1
        made[0].sweep()
        assert not made[0].transport.is_closing()
        clock.now = kept_s + 1
        made[0].sweep()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        server.close()

    asyncio.run(connect())


def test_a_worker_that_ends_waits_for_every_call_that_keeps_to_the_default_deadline() -> None:
    from modelport.config import ServeOptions

    options = ServeOptions(default_deadline=60.0, kill_grace=0.5)
    graceful = make_server(app, {}, 1000, None, options.graceful_s).config.timeout_graceful_shutdown
    assert graceful is not None
    assert graceful >= 60.5

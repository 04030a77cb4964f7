"""WebSockets of a service in the process of a test."""

from __future__ import annotations

import threading

import pytest
from fastapi import WebSocket, WebSocketDisconnect

from modelport import Service
from modelport.testing import WebSocketClosed, client, websocket


def make_service(gone: threading.Event) -> Service:
    """One that echoes, one that refuses, and a model that is asked over one."""
    service = Service("s")

    @service.model("double")
    def double(x: float) -> float:
        return 2 * x

    @service.websocket("/echo/{name}")
    async def echo(socket: WebSocket, name: str, mark: str = "") -> None:
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                if text == "bye":
                    return await socket.close(4001, "as asked")
                await socket.send_text(f"{name}{mark}: {text}")
        except WebSocketDisconnect:
            gone.set()

    @service.websocket("/double")
    async def doubles(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"answer": await service["double"](x=await socket.receive_json())})

    @service.websocket("/guarded")
    async def guarded(socket: WebSocket) -> None:
        await socket.close(4003 if socket.headers.get("authorization") != "yes" else 4004)

    return service


def test_messages_go_both_ways_and_models_are_asked_in_between() -> None:
    gone = threading.Event()
    with client(make_service(gone)) as api:
        with websocket(api, "/echo/ann%20b?mark=%21") as socket:
            socket.send("hello")
            assert socket.receive() == "ann b!: hello"
            socket.send("again")
            assert socket.receive() == "ann b!: again"
        assert gone.wait(10), "the service is told that its client has left"
        with websocket(api, "/double") as socket:
            socket.send_json(4)
            assert socket.receive_json() == {"answer": 8.0}


def test_a_connection_that_the_service_closes_says_with_which_code() -> None:
    with client(make_service(threading.Event())) as api:
        with websocket(api, "/echo/x") as socket:
            socket.send("bye")
            with pytest.raises(WebSocketClosed, match="code 4001: as asked") as closed:
                socket.receive()
            assert (closed.value.code, closed.value.reason) == (4001, "as asked")
            with pytest.raises(WebSocketClosed):
                socket.send("more")
        with pytest.raises(WebSocketClosed, match="4003"), websocket(api, "/guarded"):
            pass
        with pytest.raises(WebSocketClosed, match="4004"), websocket(api, "/guarded", {"Authorization": "yes"}):
            pass
        with pytest.raises(WebSocketClosed), websocket(api, "/nowhere"):
            pass

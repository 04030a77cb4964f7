"""Streams under the servers that people already run: the generators run in their processes."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.process.server import Server, free_port, wait_until
from tests.process.streaming import EVENTS, Socket, reading

APPLICATION = """
import asyncio
from collections.abc import AsyncIterator, Iterator
import modelport

service = modelport.Service("test")

def note(name, what):
    with open(name, "a") as file:
        file.write(f"{what}\\n")

@service.model("count", parallel=4)
def count(to: int, wait: float = 0.0, name: str = "notes") -> Iterator[int]:
    import time
    try:
        for number in range(to):
            if number == 13:
                raise ValueError("thirteen")
            yield number
            time.sleep(wait)
    finally:
        note(name, "closed")

@service.model("ticks")
async def ticks(to: int, wait: float = 0.0, name: str = "notes") -> AsyncIterator[int]:
    try:
        for number in range(to):
            yield number
            await asyncio.sleep(wait)
    finally:
        note(name, "closed")

application = modelport.app(service, heartbeat=0.3, default_deadline=2)
"""
COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "service:application", "--port", "{port}", "--log-level", "warning"],
    "hypercorn": ["-m", "hypercorn", "service:application", "--bind", "127.0.0.1:{port}"],
    "granian": ["-m", "granian", "service:application", "--interface", "asgi", "--port", "{port}"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service under one of the servers."""
    command = COMMANDS[request.param]
    if importlib.util.find_spec(command[1]) is None:
        pytest.skip(f"{command[1]} is not installed")
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "service.py").write_text(APPLICATION)
    port = free_port()
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    path = os.pathsep.join([str(folder), str(ROOT)])
    with Server.run(arguments, port, folder, ready=False, environ={"PYTHONPATH": path}) as running:
        wait_until(lambda: running.readiness()[0] == 200, "it is ready", 60)
        yield running


def notes(server: Server, name: str) -> str:
    """What a generator has written."""
    path: Path = server.folder / name
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("model", ["count", "ticks"])
def test_a_foreign_server_streams(server: Server, model: str) -> None:
    with reading(server.port, model, {"to": 3}, accept=EVENTS) as reader:
        assert reader.status == 200
        assert list(reader.events()) == [*(("message", number) for number in range(3)), ("end", {"items": 3})]
    with reading(server.port, model, {"to": 3, "wait": 0.2}) as reader:
        assert reader.line() == b"0"
        assert reader.items() == [1, 2]


def test_a_foreign_server_streams_errors(server: Server) -> None:
    assert server.ask("POST", "/models/count/predict", b'{"to": "x"}').status == 422
    with reading(server.port, "count", {"to": 20}) as reader:
        assert reader.items()[-1]["stream_error"]["status"] == 500
    with reading(server.port, "ticks", {"to": 2, "wait": 9}, request_timeout="0.4", accept=EVENTS) as reader:
        assert [name for name, _ in reader.events()] == ["message", "error"]


@pytest.mark.parametrize("model", ["count", "ticks"])
def test_a_generator_under_a_foreign_server_is_closed_when_its_reader_leaves(server: Server, model: str) -> None:
    with reading(server.port, model, {"to": 12, "wait": 0.3, "name": f"left-{model}"}) as reader:
        reader.line()
        assert not notes(server, f"left-{model}")
    wait_until(lambda: "closed" in notes(server, f"left-{model}"), "it is closed", 1.5)


def test_a_foreign_server_streams_over_websockets(server: Server) -> None:
    with Socket(server.port, "/models/ticks/predict") as client:
        client.send({"to": 3})
        assert list(client.messages()) == [0, 1, 2, {"close": 1000}]

"""`modelport.wsgi(...)` under the WSGI servers that people already run: in one process, in threads, and after a fork."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fronts.models import TRACK
from tests.fronts.shape import assert_error_body
from tests.process.server import Server, chunked, free_port, request, wait_until

SERVICE = """
import modelport
from fastapi import Request
from modelport import Service

service = Service("s")
service.model("track", "track.fake")


@service.model("double")
def double(x: float) -> float:
    return 2 * x


@service.get("/large")
def large(size: int):
    from fastapi import Response
    return Response(b"x" * size)


@service.get("/stream")
async def stream():
    import asyncio
    from pathlib import Path
    from fastapi.responses import StreamingResponse

    async def parts():
        try:
            yield b"first\\n"
            while True:
                await asyncio.sleep(0.01)
                yield b"more\\n"
        finally:
            Path("ended").touch()

    return StreamingResponse(parts())


@service.post("/length")
async def length(request: Request) -> int:
    return len(await request.body())


application = modelport.wsgi(service)
"""
REFERENCE = """
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass

from service import application
make_server("127.0.0.1", int(sys.argv[1]), application, handler_class=Quiet).serve_forever()
"""
GUNICORN = ["-m", "gunicorn", "service:application", "--bind", "127.0.0.1:{port}", "--log-level", "warning"]
COMMANDS = {
    "gunicorn": GUNICORN,
    "gunicorn with threads": [*GUNICORN, "--worker-class", "gthread", "--threads", "4"],
    "gunicorn with two forks of one import": [*GUNICORN, "--preload", "--workers", "2"],
    "wsgiref": ["reference.py", "{port}"],
}
LATER = {"gunicorn with threads", "wsgiref", "uwsgi"}
EACH = [pytest.param(name, marks=pytest.mark.slow if name in LATER else ()) for name in [*COMMANDS, "uwsgi"]]


@pytest.fixture(params=EACH)
def server(request: pytest.FixtureRequest, tmp_path: Path, plugin: Path) -> Iterator[Server]:
    """One of the servers, with the service."""
    port = free_port()
    if request.param == "uwsgi":
        found = shutil.which("uwsgi", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if found is None:
            pytest.skip("uwsgi is not installed")
        flags = [
            "--http-socket",
            f"127.0.0.1:{port}",
            "--module",
            "service:application",
            "--master",
            "--enable-threads",
        ]
        command = [
            found,
            *flags,
            "--processes",
            "2",
            "--threads",
            "2",
            "--die-on-term",
            "--need-app",
            "--disable-logging",
        ]
    else:
        if importlib.util.find_spec("gunicorn") is None:
            pytest.skip("gunicorn is not installed")
        command = [sys.executable, *(part.format(port=port) for part in COMMANDS[request.param])]
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "reference.py").write_text(REFERENCE)
    (tmp_path / "track.fake").write_text("track")
    path = os.pathsep.join(
        [str(tmp_path), str(ROOT), str(plugin), *(p for p in sys.path if p.endswith("site-packages"))]
    )
    with Server.run(command, port, tmp_path, ready=False, environ={"PYTHONPATH": path}) as running:
        wait_until(lambda: running.process.poll() is not None or is_up(running), "it listens", 60)
        assert running.process.poll() is None, running.stderr
        yield running


def is_up(server: Server) -> bool:
    """Whether it answers."""
    try:
        return server.ask("GET", "/livez").status == 200
    except OSError:
        return False


def test_a_wsgi_server_answers_models_routes_and_pages(server: Server) -> None:
    for _ in range(4):  # of each of its processes, the first call waits for the models
        answer = server.ask("POST", "/models/track/predict", json.dumps(TRACK).encode(), request_id="abc")
        assert (answer.status, answer.json()) == (200, {"prediction": 123.0})
        assert answer.headers["request-id"] == "abc"
    assert server.ask("POST", "/models/double/predict", b'[{"x": 1}, {"x": 2}]').json() == [2.0, 4.0]
    assert server.ask("POST", "/models/double/predict", b'{"x": "1"}').status == 422
    assert server.ask("POST", "/length", b"y" * 1_000_000).json() == 1_000_000
    assert len(server.ask("GET", "/large?size=20000000").body) == 20_000_000
    assert server.ask("HEAD", "/livez").body == b""
    assert_error_body(server.ask("GET", "/nothing").body)
    wait_until(lambda: server.ask("GET", "/readyz").status == 200, "both of its processes have loaded")
    refused = server.ask("GET", "/ws", upgrade="websocket", connection="upgrade")
    assert (refused.status, refused.json()["detail"][0]["type"]) == (501, "websocket_unsupported")
    assert "Traceback" not in server.stderr


def test_a_stream_flows_and_ends_with_its_reader(server: Server) -> None:
    with server.connect() as connection:
        connection.send(request("GET", "/stream"))
        lines = [connection.read_line().strip() for _ in range(40)]
        assert b"first" in lines
        assert lines.count(b"more") > 2
    wait_until(lambda: (server.folder / "ended").exists(), "the stream is closed", 10)


def test_a_body_in_chunks_is_read_or_refused_by_name(server: Server) -> None:
    with server.connect() as connection:
        connection.send(request("POST", "/length", b"", transfer_encoding="chunked") + chunked(b"a" * 70_000, b"b"))
        answer = connection.read()
    if answer.status != 200:
        assert (answer.status, answer.json()["detail"][0]["type"]) == (411, "length_required")
    else:
        assert answer.json() == 70_001


def test_it_ends_at_once_when_it_is_asked_to(server: Server) -> None:
    assert server.ask("POST", "/models/double/predict", b'{"x": 1}').status == 200
    server.process.terminate()
    server.process.wait(20)

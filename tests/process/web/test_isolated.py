"""A mounted application in a process of its own: it works as anywhere, and nobody else feels what it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.server import Server, chunked, command_of, request, wait_until

APP = """
import asyncio, ctypes, os, pathlib, signal, time
from contextlib import asynccontextmanager
import flask
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from modelport import Service
import modelport

service = Service("apart")

@service.model("plus")
def plus(x: int) -> int:
    return x + 1

@service.get("/pid")
async def pid() -> int:
    return os.getpid()

shop = flask.Flask("shop")
shop.secret_key = "not a secret"
hits = []

@shop.get("/visits")
def visits():
    flask.session["visits"] = flask.session.get("visits", 0) + 1
    hits.append(1)
    return {"visits": flask.session["visits"], "hits": len(hits), "pid": os.getpid(), "here": flask.url_for("visits")}

@shop.get("/hold")
def hold():
    pathlib.Path("holding").touch()
    ctypes.PyDLL(None).usleep(1_500_000)  # with the interpreter's lock
    return "held"

@shop.get("/crash")
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)

@shop.get("/crash-later")
def crash_later():
    def parts():
        yield b"x" * 10
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)
    return flask.Response(parts(), headers={"content-length": "20"})

@shop.post("/upload")
def upload():
    return {name: len(file.read()) for name, file in flask.request.files.items()} | {"size": len(flask.request.data)}

@shop.get("/asks")
def asks():
    return str(service["plus"].sync(x=1)) + str(modelport.deadline() < 8)

@shop.get("/raises")
def raises():
    raise ValueError("on purpose")

@asynccontextmanager
async def lifespan(app):
    pathlib.Path("opened").write_text(str(os.getpid()))
    yield {"opened": "yes"}
    pathlib.Path("closed").write_text("yes")

live = FastAPI(lifespan=lifespan)

@live.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper() + socket.state.opened)

@live.get("/count")
async def count():
    async def parts():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            pathlib.Path("stopped").touch()
    return StreamingResponse(parts())

service.mount("/shop", shop, isolate=True)
service.mount("/live", live, isolate=True)
"""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two applications in processes of their own, two workers, one model."""
    folder = tmp_path_factory.mktemp("apart")
    (folder / "app.py").write_text(APP)
    server = Server.start(Path("app.py"), "--workers", 2, "--standby", "off", folder=folder)
    yield server
    assert server.stop() == 0
    assert (folder / "closed").exists()


def process_of(server: Server, mount: str) -> int:
    """Who runs an application."""
    (pid,) = [pid for pid in server.children() if f"mount {mount}" in command_of(pid)]
    return pid


def test_sessions_and_addresses_are_as_they_were_and_both_workers_share_one_process(apart: Server) -> None:
    cookie, seen, workers = "", set(), set()
    for count in range(1, 9):
        answer = apart.ask("GET", "/shop/visits", cookie=cookie)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        told = answer.json()
        assert (told["visits"], told["hits"], told["here"]) == (count, count, "/shop/visits")
        seen.add(told["pid"])
        workers.add(apart.ask("GET", "/pid").json())
    assert seen == {process_of(apart, "/shop")}
    assert not seen & workers
    assert "Path=/shop" in answer.headers["set-cookie"]


def test_probes_models_and_routes_answer_while_the_application_holds_the_interpreter(apart: Server) -> None:
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(apart.ask, "GET", "/shop/hold")
        wait_until((apart.folder / "holding").exists, "it holds")
        started = time.monotonic()
        for _ in range(5):
            assert apart.ask("GET", "/livez").status == 200
            assert apart.ask("GET", "/pid").status == 200
            assert apart.predict({"x": 1}).json() == 2
        assert not held.done(), time.monotonic() - started
        assert held.result().body == b"held"


def test_uploads_arrive_with_a_length_and_in_chunks(apart: Server) -> None:
    part = (
        b'--b\r\ncontent-disposition: form-data; name="song"; filename="a.bin"\r\n\r\n'
        + b"s" * 600_000
        + b"\r\n--b--\r\n"
    )
    answer = apart.ask("POST", "/shop/upload", part, content_type="multipart/form-data; boundary=b")
    assert answer.json() == {"song": 600_000, "size": 0}
    with apart.connect() as connection:
        connection.send(request("POST", "/shop/upload", transfer_encoding="chunked") + chunked(*[b"y" * 50_000] * 20))
        assert connection.read().json() == {"size": 1_000_000}


def test_the_application_asks_models_within_the_deadline_of_its_request(apart: Server) -> None:
    assert apart.ask("GET", "/shop/asks", request_timeout="7").body == b"2True"


def test_a_fault_of_the_application_is_its_own_500(apart: Server) -> None:
    answer = apart.ask("GET", "/shop/raises")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    wait_until(lambda: "ValueError: on purpose" in apart.stderr, "the log has its cause")


def test_a_crash_is_a_typed_503_and_the_application_is_there_again(apart: Server) -> None:
    before = process_of(apart, "/shop")
    answer = apart.ask("GET", "/shop/crash")
    assert (answer.status, answer.json()["detail"][0]["type"]) == (503, "holder_lost")
    assert answer.headers["retry-after"] == "1"
    assert apart.readiness()[0] == 200
    assert apart.predict({"x": 1}).json() == 2
    assert apart.ask("GET", "/shop/visits").json()["hits"] == 1
    assert process_of(apart, "/shop") != before
    assert f"holder {before} of mount /shop ended: killed by SIGSEGV" in apart.stderr


def test_an_answer_that_a_crash_breaks_off_is_cut(apart: Server) -> None:
    with apart.connect() as connection:
        connection.send(request("GET", "/shop/crash-later"))
        got = connection.socket.makefile("rb").read()
    assert got.endswith(b"x" * 10)
    assert b"content-length: 20" in got


def test_a_websocket_speaks_with_it_and_its_lifespan_has_left_its_state(apart: Server) -> None:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, Request, TextMessage

    speaker = WSConnection(ConnectionType.CLIENT)
    events: list[object] = []
    with apart.connect() as connection:
        connection.send(speaker.send(Request(host="test", target="/live/echo")))
        for wanted in (AcceptConnection, TextMessage):
            while not any(isinstance(event, wanted) for event in events):
                speaker.receive_data(connection.socket.recv(4096))
                events += speaker.events()
            connection.send(speaker.send(TextMessage(data="loud")))
    assert [event.data for event in events if isinstance(event, TextMessage)] == ["LOUDyes"]
    assert (apart.folder / "opened").read_text() == str(process_of(apart, "/live"))


def test_a_stream_comes_as_it_is_made_and_stops_when_its_reader_leaves(apart: Server) -> None:
    with apart.connect() as connection:
        connection.send(request("GET", "/live/count"))
        assert b"200" in connection.read_line()
        while b"x" * 1000 not in connection.read_line():
            pass
        assert not (apart.folder / "stopped").exists()
    wait_until(
        (apart.folder / "stopped").exists, "the generator ends", 5.0
    )  # within a second, where nobody else computes


def test_the_banner_says_where_it_runs(apart: Server) -> None:
    assert "mounted  /shop flask application (WSGI), in a process of its own" in apart.stdout

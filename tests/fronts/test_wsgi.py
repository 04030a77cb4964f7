"""`modelport.wsgi`, called as a WSGI server calls it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

import modelport
from modelport import Service, SetupError
from tests.fronts.models import TRACK
from tests.fronts.shape import assert_error_body

Write = Callable[..., Path]


class Answer:
    """What the application gave its server."""

    def __init__(self, application: Any, environ: dict[str, Any]) -> None:
        self.started: list[Any] = []
        self.parts = application(environ, self._start)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self.started.append((status, headers))
        return lambda data: None

    @property
    def status(self) -> int:
        """As a number."""
        return int(self.started[-1][0][:3])

    @property
    def headers(self) -> dict[str, str]:
        """By their names in lower case."""
        return {name.lower(): value for name, value in self.started[-1][1]}

    def read(self) -> bytes:
        """All of the body."""
        try:
            return b"".join(self.parts)
        finally:
            if hasattr(self.parts, "close"):
                self.parts.close()


def environ_of(method: str = "GET", path: str = "/", body: bytes | None = None, **more: Any) -> dict[str, Any]:
    """As wsgiref makes it."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": ""}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(body or b"")
    if body is not None:
        environ |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
    return environ | more


def ask(
    application: Any, method: str = "GET", path: str = "/", body: bytes | None = None, **more: Any
) -> tuple[int, bytes]:
    """Status and body; what PEP 3333 demands of both sides is checked."""
    answer = Answer(validator(application), environ_of(method, path, body, **more))
    return answer.status, answer.read()


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """`modelport.wsgi`; what was started is stopped."""
    made: list[Any] = []

    def make(target: Any, **options: Any) -> Any:
        made.append(modelport.wsgi(target, **options))
        return made[-1]

    yield make
    for application in made:
        application.stop()


def test_the_first_call_of_a_process_waits_for_the_model(serve: Any, fake: Write, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    application = serve(fake(f"slow-to-load {gate}"))
    assert ask(application, path="/livez")[0] == 200
    assert ask(application, path="/readyz")[0] == 503
    timer = threading.Timer(0.2, gate.touch)
    timer.start()
    status, body = ask(application, "POST", "/predict", json.dumps(TRACK).encode())
    assert status == 200, body
    assert ask(application, path="/readyz")[0] == 200


def test_a_model_that_does_not_load_in_time_is_not_ready(serve: Any, fake: Write, tmp_path: Path) -> None:
    application = serve(fake(f"slow-to-load {tmp_path / 'gate'}"), default_deadline="100ms")
    status, body = ask(application, "POST", "/predict", json.dumps(TRACK).encode())
    assert (status, json.loads(body)["detail"][0]["type"]) == (503, "not_ready")
    (tmp_path / "gate").touch()


def test_answers_and_errors_are_those_of_the_service(serve: Any, fake: Write) -> None:
    application = serve(fake("track"), max_body="1kB")
    good = json.dumps(TRACK).encode()
    assert ask(application, "POST", "/predict", good) == (200, b'{"prediction":123.0}')
    for method, path, body, status in [
        ("POST", "/predict", b"{", 400),
        ("POST", "/predict", b"{}", 422),
        ("POST", "/predict", b" " * 2000, 413),
        ("GET", "/predict", None, 405),
        ("GET", "/nowhere", None, 404),
    ]:
        got, text = ask(application, method, path, body)
        assert got == status
        assert_error_body(text)


def test_what_a_model_in_python_answers_is_plain_bytes_whatever_it_holds(serve: Any) -> None:
    service = Service("nothing")

    @service.model("nothing")
    def nothing(x: float | None) -> float | None:
        return x

    @service.model("raw")
    def raw(content: bytes) -> bytes:
        return content

    application = serve(service)
    assert ask(application, "POST", "/models/nothing/predict", b'{"x": null}') == (200, b"null")
    kind = {"CONTENT_TYPE": "application/octet-stream", "HTTP_ACCEPT": "application/octet-stream"}
    assert ask(application, "POST", "/models/raw/predict", b"abc", **kind) == (200, b"abc")


def test_head_has_the_headers_and_no_body(serve: Any, fake: Write) -> None:
    application = serve(fake("track"))
    whole = Answer(application, environ_of("GET", "/livez"))
    head = Answer(application, environ_of("HEAD", "/livez"))
    assert head.headers["content-length"] == str(len(whole.read()))
    assert head.read() == b""


def make_service() -> Service:
    """Routes that tell what reaches them."""
    service = Service("s")

    @service.model("double")
    def double(x: float) -> float:
        return 2 * x

    @service.api_route("/echo/{path:path}", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        return {
            "path": request.url.path,
            "raw": request.scope["raw_path"].decode(),
            "root": request.scope["root_path"],
            "query": request.url.query,
            "client": request.client and request.client.host,
            "scheme": request.url.scheme,
            "headers": dict(request.headers),
            "body": len(await request.body()),
        }

    @service.get("/asks")
    async def asks() -> float:
        answer: float = await service["double"](x=4)
        return answer

    @service.get("/breaks")
    async def breaks() -> None:
        raise ValueError("of the test")

    return service


def test_the_request_arrives_as_it_was_sent(serve: Any) -> None:
    application = serve(make_service())
    told: dict[str, Any] = {
        "QUERY_STRING": "a=1&b=%C3%BC",
        "REMOTE_ADDR": "10.0.0.7",
        "HTTP_X_ONE": "1, 2",
        "REQUEST_URI": "/echo/a%2Fb/%C3%BC?a=1&b=%C3%BC",
        "wsgi.url_scheme": "https",
    }
    path = "/echo/a/b/ü".encode().decode("latin-1")
    status, body = ask(application, "POST", path, b"x" * 200_000, **told)
    seen = json.loads(body)
    assert status == 200
    assert (seen["raw"], seen["query"], seen["client"]) == ("/echo/a%2Fb/%C3%BC", "a=1&b=%C3%BC", "10.0.0.7")
    assert (seen["scheme"], seen["body"]) == ("https", 200_000)
    assert (seen["headers"]["x-one"], seen["headers"]["content-length"]) == ("1, 2", "200000")
    assert ask(application, path="/asks") == (200, b"8.0")


def test_a_prefix_of_the_host_is_the_root_path(serve: Any) -> None:
    application = serve(make_service())
    status, body = ask(application, path="/echo/x", SCRIPT_NAME="/ml", REQUEST_URI="/elsewhere/echo/x")
    assert status == 200
    assert {key: json.loads(body)[key] for key in ("root", "raw")} == {"root": "/ml", "raw": "/ml/echo/x"}
    body = json.dumps({"x": 1}).encode()
    assert ask(application, "POST", "/models/double/predict", body, SCRIPT_NAME="/ml") == (200, b"2.0")


def test_a_route_that_raises_is_a_500_without_its_reason(serve: Any) -> None:
    status, body = ask(serve(make_service()), path="/breaks")
    assert status == 500
    assert b"of the test" not in body


def test_bodies_in_chunks_are_read_where_the_server_puts_them_together(serve: Any) -> None:
    application = serve(make_service())
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"y" * 100_000)}
    answer = Answer(application, environ_of("POST", "/echo/x") | chunked | {"wsgi.input_terminated": True})
    assert json.loads(answer.read())["body"] == 100_000
    status, body = ask(
        application, "POST", "/echo/x", None, **(chunked | {"wsgi.input": io.BytesIO(b"5\r\nhello\r\n0\r\n\r\n")})
    )
    assert (status, json.loads(body)["detail"][0]["type"]) == (411, "length_required")


def test_a_client_that_leaves_within_its_body_runs_nothing(serve: Any) -> None:
    service, ran = Service("s"), []

    @service.model("note")
    def note(text: str) -> int:
        ran.append(text)
        return 1

    application = serve(service)
    environ = environ_of("POST", "/models/note/predict", b'{"text": "x') | {"CONTENT_LENGTH": "100"}
    answer = Answer(application, environ)
    assert answer.status >= 400
    answer.read()
    assert ask(application, "POST", "/models/note/predict", b'{"text": "y"}') == (200, b"1")
    assert ran == ["y"]


def test_streams_come_part_by_part_wait_for_their_reader_and_end_with_it(serve: Any) -> None:
    service, gate, ended, count = Service("s"), threading.Event(), threading.Event(), [0]

    @service.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.to_thread(gate.wait)
            while True:
                count[0] += 1
                yield b"x" * 65536

        return StreamingResponse(parts(), background=BackgroundTask(ended.set))

    application = serve(service)
    answer = Answer(application, environ_of("GET", "/endless"))
    parts = iter(answer.parts)
    assert next(parts) == b"first"
    gate.set()
    assert next(parts) == b"x" * 65536
    ask(application, path="/livez")
    assert count[0] < 20, "it waits for its reader"
    answer.parts.close()
    assert ended.wait(5)


def test_a_model_that_streams_is_closed_when_its_reader_leaves(serve: Any) -> None:
    service, closed = Service("s"), threading.Event()

    @service.model("count")
    async def count(first: int) -> AsyncIterator[int]:
        try:
            while True:
                yield first
        finally:
            closed.set()

    environ = environ_of("POST", "/models/count/predict", b'{"first": 7}', HTTP_ACCEPT="text/event-stream")
    answer = Answer(serve(service), environ)
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = iter(answer.parts)
    assert b"7" in next(parts) + next(parts)
    answer.parts.close()
    assert closed.wait(5)


def test_a_stream_that_breaks_off_raises_so_that_the_server_cuts_the_connection(serve: Any) -> None:
    service = Service("s")

    @service.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError("of the test")

        return StreamingResponse(parts())

    answer = Answer(serve(service), environ_of("GET", "/half"))
    with pytest.raises(Exception, match="without an answer"):
        answer.read()


def test_a_websocket_is_a_501_that_says_where_it_would_be_served(serve: Any, fake: Write) -> None:
    status, body = ask(serve(fake("track")), path="/ws", HTTP_UPGRADE="websocket", HTTP_CONNECTION="upgrade")
    assert (status, json.loads(body)["detail"][0]["type"]) == (501, "websocket_unsupported")
    assert_error_body(body)


def test_headers_of_the_connection_are_left_to_the_server(serve: Any, fake: Write) -> None:
    answer = Answer(serve(fake("track"), max_body="1kB"), environ_of("POST", "/predict", b" " * 2000))
    assert answer.status == 413
    assert "connection" not in answer.headers


def test_the_lifespan_of_routes_runs_and_one_that_fails_is_a_503(serve: Any) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    service = Service("s", lifespan=lifespan)
    service.get("/up")(lambda: list(seen))
    application = serve(service)
    assert seen == []
    assert ask(application, path="/up") == (200, b'["up"]')
    application.stop()
    assert seen == ["up", "down"]

    @asynccontextmanager
    async def failing(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    service = Service("t", lifespan=failing)
    service.get("/up")(lambda: 1)
    status, body = ask(serve(service), path="/up")
    assert (status, json.loads(body)["detail"][0]["type"]) == (503, "not_ready")
    assert b"database" not in body


def test_a_process_forked_from_one_that_was_started_says_so(
    serve: Any, fake: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = serve(fake("track"))
    application.start()
    with monkeypatch.context() as forked:
        forked.setattr("modelport.assembly.wsgi.os.getpid", lambda: -1)
        with pytest.raises(SetupError, match="started before the server forked"):
            ask(application, path="/livez")
    assert ask(application, path="/livez")[0] == 200


def test_what_cannot_be_served_is_said_when_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    with pytest.raises(SetupError, match="does not exist"):
        modelport.wsgi(tmp_path / "missing.joblib")
    uwsgi = ModuleType("uwsgi")
    uwsgi.opt = {b"http": b":0"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    with pytest.raises(SetupError, match="--enable-threads"):
        modelport.wsgi(tmp_path / "missing.joblib")
    uwsgi.opt = {"threads": b"4"}  # type: ignore[attr-defined]
    with pytest.raises(SetupError, match="does not exist"):
        modelport.wsgi(tmp_path / "missing.joblib")

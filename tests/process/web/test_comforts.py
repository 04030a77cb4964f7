"""The comforts of the web framework beside models, and guarding them: each works as it does in FastAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.process.server import Answer, Server, request, wait_until

PLUS = "/models/plus/predict"
HEADERS = {"authorization": "Bearer good", "x_forwarded_proto": "https"}


@pytest.fixture(scope="module")
def comforts(serve: Callable[..., Server]) -> Server:
    """The service."""
    return serve("comforts.py")


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """As a caller with a token, through a proxy that speaks HTTPS."""
    return server.ask(method, path, body, **{**HEADERS, **headers})


def test_a_prediction_passes_all_of_them_and_is_refused_without_a_token(comforts: Server) -> None:
    answer = ask(comforts, "POST", PLUS, b'{"x": 1}', origin="https://shop.example")
    assert (answer.status, answer.body) == (200, b"2")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["x-body"] == "8"
    refused = ask(comforts, "POST", PLUS, b'{"x": 1}', authorization="Bearer bad", origin="https://shop.example")
    assert (refused.status, refused.json()) == (401, {"detail": "bad token"})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"


def test_a_caller_over_http_is_sent_to_https_and_one_through_a_trusted_proxy_is_not(comforts: Server) -> None:
    answer = comforts.ask("POST", PLUS, b'{"x": 1}', authorization="Bearer good")
    assert (answer.status, answer.headers["location"]) == (307, f"https://test{PLUS}")
    assert comforts.ask("GET", "/docs").status == 307
    assert comforts.ask("GET", "/livez").status == 200
    assert ask(comforts, "GET", "/docs").status == 200


def test_the_shape_of_refused_bodies_is_the_models_own_and_that_of_routes_the_handlers(comforts: Server) -> None:
    assert ask(comforts, "POST", PLUS, b'{"x": "a"}').json()["detail"][0]["loc"] == ["body", "x"]
    assert ask(comforts, "GET", "/double/x").body == b"invalid"


def test_a_handler_of_404_answers_at_the_paths_of_nobody_and_one_of_exceptions_for_faults(comforts: Server) -> None:
    for path in ("/nothing", "/static/none.css", "/models/none/predict"):
        answer = ask(comforts, "GET", path)
        assert (answer.status, answer.body) == (404, b"nowhere")
    assert (ask(comforts, "GET", "/raise").status, ask(comforts, "GET", "/raise").body) == (500, b"broken")


def test_a_session_is_kept_from_route_to_route_and_for_websockets(comforts: Server) -> None:
    cookie = ask(comforts, "GET", "/session").headers["set-cookie"].partition(";")[0]
    second = ask(comforts, "GET", "/session", cookie=cookie)
    assert second.json() == 2
    cookie = second.headers["set-cookie"].partition(";")[0]
    assert speak(comforts, authorization="Bearer good", cookie=cookie, x_forwarded_proto="https") == ["good 2"]


def test_a_websocket_is_refused_by_the_guards_that_refuse_a_prediction(comforts: Server) -> None:
    assert speak(comforts, authorization="Bearer bad", x_forwarded_proto="https") == [401]


def test_templates_find_routes_and_static_files_by_name(comforts: Server) -> None:
    page = ask(comforts, "GET", "/page").body.decode()
    assert page == '<link href="https://test/static/style.css">https://test/double/2'
    style = ask(comforts, "GET", "/static/style.css")
    assert (style.status, style.body) == (200, b"body {}")
    assert ask(comforts, "GET", "/static/style.css", if_none_match=style.headers["etag"]).status == 304


def test_what_a_dependency_yields_is_closed_after_each_prediction_and_tasks_run_behind_answers(
    comforts: Server,
) -> None:
    before = len(ask(comforts, "GET", "/events").json())
    assert ask(comforts, "POST", PLUS, b'{"x": 1}', tenant="shop").status == 200
    assert ask(comforts, "GET", "/double/4").json() == 8
    wait_until(lambda: "task 4" in ask(comforts, "GET", "/events").json(), "the task runs")
    seen = ask(comforts, "GET", "/events").json()[before:]
    start = seen.index("in yes shop")
    assert seen[start + 1] == "out"


def test_the_document_says_what_guards_ask_so_that_the_page_can_authorize(comforts: Server) -> None:
    document = ask(comforts, "GET", "/openapi.json").json()
    operation = document["paths"][PLUS]["post"]
    assert operation["security"] == [{"Bearer": []}]
    assert {p["name"] for p in operation["parameters"] if p["in"] == "header"} >= {"tenant"}
    assert "requestBody" in operation
    assert not any("guard" in key for key in operation)
    assert document["components"]["securitySchemes"]["Bearer"]["flows"]["password"]["tokenUrl"] == "token"
    assert "HTTPValidationError" in str(document["paths"]["/double/{n}"])


def test_the_password_flow_gives_a_token(comforts: Server) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    good = ask(comforts, "POST", "/token", b"username=a&password=secret", **form)
    assert good.json() == {"access_token": "good", "token_type": "bearer"}
    assert ask(comforts, "POST", "/token", b"username=a&password=x", **form).status == 400


def test_a_deadline_holds_and_a_caller_that_leaves_cancels_through_every_guard(comforts: Server) -> None:
    answer = ask(comforts, "POST", "/models/slow/predict", b'{"seconds": 9}', request_timeout="0.3")
    assert (answer.status, answer.json()["detail"][0]["type"]) == (504, "deadline_exceeded")
    for name in ("begun", "cancelled"):
        (comforts.folder / name).unlink(missing_ok=True)
    with comforts.connect() as connection:
        connection.send(request("POST", "/models/slow/predict", b'{"seconds": 9}', **HEADERS))
        wait_until((comforts.folder / "begun").exists, "it runs", 5)
    wait_until((comforts.folder / "cancelled").exists, "the model is cancelled", 2)
    assert "No response returned" not in comforts.stderr


def speak(server: Server, **headers: str) -> list[Any]:
    """What a WebSocket says until it closes; or the status of its refusal."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import CloseConnection, RejectConnection, Request, TextMessage

    speaker = WSConnection(ConnectionType.CLIENT)
    extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    said: list[Any] = []
    with server.connect() as connection:
        connection.send(speaker.send(Request(host="test", target="/hello", extra_headers=extra)))
        while data := connection.socket.recv(4096):
            speaker.receive_data(data)
            for event in speaker.events():
                if isinstance(event, RejectConnection):
                    return [event.status_code]
                if isinstance(event, CloseConnection):
                    return said
                if isinstance(event, TextMessage):
                    said.append(event.data)
    return said

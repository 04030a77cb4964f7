"""What shares a service with a mounted application: routes whose paths differ from its own by a slash, and other applications."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import flask
import httpx
import pytest
from fastapi import APIRouter

import modelport
from modelport import Service
from modelport.testing import client


def declare() -> Service:
    """An application and routes with nearly its paths."""
    app = flask.Flask("legacy")
    for path in ("/songs/", "/genre", "/folder/"):
        app.add_url_rule(path, path, lambda path=path: f"flask {path}", methods=["GET", "POST"])
    service = Service("slashes")
    for path in ("/songs", "/genre/", "/only/"):

        async def route(path: str = path) -> str:
            return f"route {path}"

        service.web.add_api_route(path, route, methods=["GET", "POST"])
    service.mount("/", app)
    return service


@pytest.mark.parametrize("path", ["/songs/", "/genre"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_of_the_application_is_not_sent_on_to_a_route_with_another_slash(method: str, path: str) -> None:
    with client(declare()) as api:
        answer = api.request(method, path)
        assert (answer.status_code, answer.text) == (200, f"flask {path}")
        assert api.request(method, path.rstrip("/") + "/" * (path[-1] != "/")).json().startswith("route")


def test_elsewhere_both_send_on_as_they_do_alone() -> None:
    with client(declare()) as api:
        there = api.get("/only?a=1")
        assert (there.status_code, there.headers["location"]) == (307, "http://localhost/only/?a=1")
        folder = api.get("/folder")
        assert (folder.status_code, folder.headers["location"]) == (308, "http://localhost/folder/")
        assert api.get("/nowhere/").status_code == 404


def test_a_service_that_is_served_again_sends_on_as_before() -> None:
    service = declare()
    for _ in range(2):
        with client(service) as api:
            assert [api.get("/only").status_code, api.get("/songs/").status_code] == [307, 200]
    for _ in range(2):
        modelport.app(service)
    assert not service.web.router.redirect_slashes, "the second application has taken the redirect over from the first"
    assert hasattr(service.web.router.default, "keeps_slashes")


def waiting(go_on: threading.Event, entered: threading.Semaphore) -> Callable[..., list[bytes]]:
    """An application that holds its thread."""

    def app(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        entered.release()
        assert go_on.wait(20)
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"at last"]

    return app


def answering(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
    """An application that does not."""
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"at once"]


async def test_an_application_that_has_taken_all_of_its_threads_holds_up_no_other() -> None:
    go_on, entered = threading.Event(), threading.Semaphore(0)
    service = Service("two")
    service.mount("/slow", waiting(go_on, entered))
    service.mount("/quick", answering)
    transport = httpx.ASGITransport(modelport.app(service, web_threads=1, web_queue=1))
    async with httpx.AsyncClient(transport=transport, base_url="http://here", timeout=20) as api:
        slow = asyncio.gather(*(api.get("/slow") for _ in range(3)))
        try:
            assert await asyncio.to_thread(entered.acquire, timeout=20)
            async with asyncio.timeout(10):
                assert (await api.get("/quick")).text == "at once"
        finally:
            go_on.set()
        assert sorted(answer.status_code for answer in await slow) == [200, 200, 503]


def test_routes_of_an_included_router_are_counted_and_refused_as_others_are() -> None:
    def declare(path: str) -> Service:
        router = APIRouter(prefix="/models")
        for each in ("/one", "/two", path):
            router.add_api_route(each, lambda: "route", methods=["POST"])
        service = Service("included")
        service.model("double")(double)
        service.include_router(router)
        return service

    service = declare("/three")
    app = modelport.app(service)
    assert app.beside.describe()["routes"] == 3
    with pytest.raises(modelport.SetupError, match="/models/double/predict, which is the model's own path"):
        modelport.app(declare("/double/predict"))


def test_a_route_inside_an_application_wants_a_path() -> None:
    mounted = Service("s").mount("/shop", answering)
    with pytest.raises(modelport.SetupError, match="a path such as '/predict', not 'predict'"):
        mounted.post("predict")


def double(x: float) -> float:
    """A model."""
    return 2 * x

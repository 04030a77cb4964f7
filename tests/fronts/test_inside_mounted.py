"""Routes that stand in for those of a mounted application: they see its session and user, and its hooks run around them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import flask
import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.sessions import SessionMiddleware
from werkzeug.local import LocalProxy

import modelport
from modelport import Service
from modelport.errors import ConfigError

current_user = LocalProxy(lambda: flask.g.user)


class Sound(BaseModel):
    """A body."""

    decibel: float


class Shop:
    """A Flask application with a session, a user, hooks and error pages; `torn` is what its teardown functions were told."""

    def __init__(self) -> None:
        self.app = flask.Flask("shop")
        self.app.secret_key = "for the test only"
        self.torn: list[str | None] = []
        self.asked: list[str] = []
        app = self.app
        app.before_request(self.load_user)
        app.after_request(self.tell_user)
        app.teardown_request(lambda error: self.torn.append(error and type(error).__name__))
        app.register_error_handler(401, lambda error: ("<h1>log in</h1>", 401))
        app.register_error_handler(500, lambda error: ("<h1>broken</h1>", 500))
        app.add_url_rule("/login/<name>", view_func=self.login, methods=["POST"])
        app.add_url_rule("/predict", "form", lambda: "<form>")
        app.add_url_rule("/predict", "predict", lambda: "the old one", methods=["POST"])
        app.add_url_rule("/count", "count", lambda: str(flask.session.get("count", 0)))

    def load_user(self) -> Any:
        """Who asks, before each request."""
        self.asked.append(flask.request.path)
        flask.g.user = flask.session.get("user")
        if "broken" in flask.request.args:
            raise ZeroDivisionError
        if "closed" in flask.request.args and flask.g.user is None:
            flask.abort(401)
        if "early" in flask.request.args:
            return {"early": flask.request.get_json()["decibel"]}
        return None

    def tell_user(self, response: flask.Response) -> flask.Response:
        """After each request."""
        response.headers["x-user"] = str(flask.g.get("user"))
        return response

    def login(self, name: str) -> str:
        """Set the session."""
        flask.session["user"] = name
        return "hello"


def declare(shop: Shop, prefix: str = "/") -> Service:
    """The service that the application moves into."""
    service = Service("shop")

    @service.model("power")
    async def power(decibel: float) -> float:
        if decibel < 0:
            raise ValueError("negative")
        await asyncio.to_thread(int)  # let others in between
        return float(10 ** (decibel / 20))

    moved = service.mount(prefix, shop.app)

    @moved.post("/predict", tags=["moved"])
    async def predict(sound: Sound) -> dict[str, Any]:
        if not current_user:
            raise HTTPException(403, "nobody is logged in")
        flask.session["count"] = flask.session.get("count", 0) + 1
        value = await service["power"](sound)
        return {"user": flask.g.user, "session": flask.session["user"], "value": value, "form": flask.url_for("form")}

    @moved.get("/plain")
    def plain() -> dict[str, Any]:
        return {"user": flask.g.user, "endpoint": flask.request.endpoint, "agent": flask.request.headers["user-agent"]}

    @moved.get("/parts")
    def parts() -> StreamingResponse:
        flask.session["count"] = 7
        return StreamingResponse(iter([b"a", b"b"]))

    @moved.get("/faulty")
    async def faulty() -> None:
        raise LookupError("lost")

    return service


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[Callable[[], httpx.AsyncClient]]:
    """Makes clients of a service, each with cookies of its own."""
    transport = httpx.ASGITransport(modelport.app(service), raise_app_exceptions=False)

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=transport, base_url="http://here", headers={"user-agent": "test"})

    async with client() as probe, asyncio.timeout(20):
        while (await probe.get("/readyz")).status_code != 200:
            await asyncio.to_thread(int)
    yield client


async def test_a_moved_route_sees_session_and_user_and_keeps_the_session() -> None:
    shop = Shop()
    async with served(declare(shop)) as new, new() as ann:
        await ann.post("/login/Ann")
        shop.torn.clear()
        for _ in range(2):
            answer = await ann.post("/predict", json={"decibel": 20})
        assert answer.json() == {"user": "Ann", "session": "Ann", "value": 10.0, "form": "/predict"}
        assert answer.headers["x-user"] == "Ann"
        assert shop.torn == [None, None]
        assert (await ann.get("/count")).text == "2"


async def test_other_methods_of_a_moved_path_stay_with_the_application() -> None:
    async with served(declare(Shop())) as new, new() as ann:
        assert (await ann.get("/predict")).text == "<form>"
        allowed = (await ann.options("/predict")).headers["allow"]
        assert set(allowed.split(", ")) == {"POST", "OPTIONS", "GET", "HEAD"}


async def test_a_plain_function_sees_the_same() -> None:
    async with served(declare(Shop())) as new, new() as ann:
        await ann.post("/login/Ann")
        assert (await ann.get("/plain")).json() == {"user": "Ann", "endpoint": None, "agent": "test"}


async def test_a_refusal_of_the_application_is_the_answer_and_the_route_is_not_run() -> None:
    shop = Shop()
    async with served(declare(shop)) as new, new() as nobody:
        answer = await nobody.post("/predict?closed", json={"decibel": 20})
        assert (answer.status_code, answer.text, answer.headers["x-user"]) == (401, "<h1>log in</h1>", "None")
        answer = await nobody.post("/predict?early", json={"decibel": 20})
        assert (answer.status_code, answer.json(), answer.headers["content-length"]) == (200, {"early": 20}, "13")
        answer = await nobody.post("/predict?broken", json={"decibel": 20})
        assert (answer.status_code, answer.text) == (500, "<h1>broken</h1>")
        assert shop.torn == [None, None, None]


async def test_refusals_of_the_route_pass_through_the_hooks_too() -> None:
    shop = Shop()
    async with served(declare(shop)) as new, new() as nobody:
        for body, status in (({"decibel": "x"}, 422), ({"decibel": 20}, 403)):
            answer = await nobody.post("/predict", json=body)
            assert (answer.status_code, answer.headers["x-user"]) == (status, "None")
            assert "detail" in answer.json()
        await nobody.post("/login/Ann")
        failed = await nobody.post("/predict", json={"decibel": -1})
        assert (failed.status_code, failed.json()["detail"][0]["loc"]) == (500, ["model", "power"])
        assert failed.headers["x-user"] == "Ann"


async def test_teardown_is_told_of_a_fault_in_the_route() -> None:
    shop = Shop()
    async with served(declare(shop)) as new, new() as ann:
        assert (await ann.get("/faulty")).status_code == 500
        assert shop.torn == ["LookupError"]


async def test_an_answer_in_parts_passes_and_the_session_is_kept() -> None:
    async with served(declare(Shop())) as new, new() as ann:
        answer = await ann.get("/parts")
        assert (answer.text, answer.headers["x-user"]) == ("ab", "None")
        assert "content-length" not in answer.headers
        assert (await ann.get("/count")).text == "7"


async def test_below_a_prefix_the_application_knows_its_addresses() -> None:
    shop = Shop()
    async with served(declare(shop, "/shop")) as new, new() as ann:
        await ann.post("/shop/login/Ann")
        assert (await ann.post("/shop/predict", json={"decibel": 20})).json()["form"] == "/shop/predict"
        assert shop.asked == ["/login/Ann", "/predict"]
        assert (await ann.get("/shop/predict")).text == "<form>"


async def test_users_who_ask_at_once_are_not_mixed_up() -> None:
    async with served(declare(Shop())) as new:
        clients = [new() for _ in range(12)]
        await asyncio.gather(*(client.post(f"/login/{n}") for n, client in enumerate(clients)))

        async def ask(number: int) -> bool:
            answer = await clients[number % 12].post("/predict", json={"decibel": 20})
            return bool(answer.json()["user"] == answer.json()["session"] == str(number % 12))

        assert all(await asyncio.gather(*(ask(number) for number in range(120))))
        await asyncio.gather(*(client.aclose() for client in clients))


async def test_the_document_lists_moved_routes() -> None:
    async with served(declare(Shop())) as new, new() as ann:
        paths = (await ann.get("/_modelport/openapi.json")).json()["paths"]
        assert paths["/predict"]["post"]["tags"] == ["moved"]


# -- FastAPI and Starlette -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Leaves something for the requests."""
    app.state.opened = "app"
    yield {"opened": "lifespan"}


def user_of(request: Request) -> str:
    """A dependency of the application."""
    if "user" not in request.session:
        raise HTTPException(401, "log in")
    return str(request.session["user"])


def fastapi_shop() -> FastAPI:
    """An application with a session, middleware, a handler of its own and a user."""
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(SessionMiddleware, secret_key="for the test only")

    @app.middleware("http")
    async def mark(request: Request, go_on: Any) -> Any:
        request.state.marked = "yes"
        response = await go_on(request)
        response.headers["x-marked"] = "yes"
        return response

    @app.exception_handler(LookupError)
    async def lost(request: Request, error: LookupError) -> JSONResponse:
        return JSONResponse({"lost": str(error)}, 410)

    @app.post("/login/{name}")
    async def login(request: Request, name: str) -> None:
        request.session["user"] = name

    @app.get("/predict")
    async def form() -> str:
        return "form"

    @app.get("/opened")
    async def opened(request: Request) -> list[str]:
        return [request.state.opened, request.app.state.opened]

    return app


def declare_fastapi(prefix: str) -> Service:
    """The service that it moves into."""
    service = Service("shop")

    @service.model("power")
    async def power(decibel: float) -> float:
        if decibel < 0:
            raise ValueError("negative")
        return float(10 ** (decibel / 20))

    moved = service.mount(prefix, fastapi_shop())

    @moved.post("/predict")
    async def predict(request: Request, sound: Sound, user: str = Depends(user_of)) -> dict[str, Any]:
        if sound.decibel > 100:
            raise LookupError("deaf")
        value = await service["power"](sound)
        request.session["last"] = value
        return {
            "user": user,
            "value": value,
            "seen": [request.state.marked, request.state.opened, request.app.state.opened],
            "form": request.url_for("form").path,
        }

    return service


@asynccontextmanager
async def living(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The client of a service whose lifespan is run."""
    app = modelport.app(service)
    events: asyncio.Queue[Any] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, events.get, said.put))
    await events.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        async with asyncio.timeout(20):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.to_thread(int)
        yield client
    await events.put({"type": "lifespan.shutdown"})
    await task


@pytest.mark.parametrize("prefix", ["/", "/shop"])
async def test_a_route_inside_fastapi_stands_behind_its_middleware_and_dependencies(prefix: str) -> None:
    at = prefix.rstrip("/")
    async with living(declare_fastapi(prefix)) as client:
        assert (await client.post(f"{at}/predict", json={"decibel": 20})).json() == {"detail": "log in"}
        await client.post(f"{at}/login/Ann")
        answer = await client.post(f"{at}/predict", json={"decibel": 20})
        seen = {"user": "Ann", "value": 10.0, "seen": ["yes", "lifespan", "app"], "form": f"{at}/predict"}
        assert (answer.json(), answer.headers["x-marked"]) == (seen, "yes")
        assert "session=" in answer.headers["set-cookie"]
        lost = await client.post(f"{at}/predict", json={"decibel": 200})
        assert (lost.status_code, lost.json(), lost.headers["x-marked"]) == (410, {"lost": "deaf"}, "yes")
        assert (await client.post(f"{at}/predict", json={"decibel": "x"})).status_code == 422
        failed = await client.post(f"{at}/predict", json={"decibel": -1})
        assert (failed.status_code, failed.json()["detail"][0]["loc"]) == (500, ["model", "power"])
        assert (await client.get(f"{at}/predict")).json() == "form"


async def test_a_mounted_application_has_the_state_of_its_lifespan() -> None:
    async with living(declare_fastapi("/shop")) as client:
        assert (await client.get("/shop/opened")).json() == ["lifespan", "app"]


async def test_an_application_without_hooks_that_are_known_can_hold_no_route() -> None:
    service = Service("plain")
    plain = service.mount("/old", lambda environ, start_response: [])
    plain.get("/x")(lambda: None)
    with pytest.raises(ConfigError, match="declared inside the application at /old, which is neither Flask's nor"):
        modelport.app(service)


async def test_an_application_in_a_process_of_its_own_can_hold_no_route() -> None:
    service = Service("plain")
    plain = service.mount("/old", flask.Flask("old"), isolate=True)
    plain.get("/x")(lambda: None)
    with pytest.raises(ConfigError, match="declared inside the application at /old, which has a process of its own"):
        modelport.app(service)


async def test_dependencies_of_a_whole_application_guard_its_moved_routes_too() -> None:
    def ask_for_key(key: str = "") -> None:
        if key != "open":
            raise HTTPException(401, "a key is wanted")

    service = Service("guarded")
    moved = service.mount("/", FastAPI(dependencies=[Depends(ask_for_key)]))

    @moved.get("/x", dependencies=[Depends(lambda: None)])
    async def x() -> str:
        return "x"

    async with living(service) as client:
        assert (await client.get("/x")).status_code == 401
        assert (await client.get("/x?key=open")).json() == "x"


async def test_addresses_are_found_by_name_behind_a_guard() -> None:
    service = Service("guarded", dependencies=[Depends(lambda: None)])

    @service.model("power")
    def power(decibel: float) -> float:
        return decibel

    @service.get("/hello")
    async def hello(request: Request) -> str:
        return request.url_for("hello").path

    async with living(service) as client:
        assert (await client.get("/hello")).json() == "/hello"


async def test_a_plain_function_runs_in_the_thread_of_its_hooks() -> None:
    threads: list[int] = []
    app = flask.Flask("threads")
    app.before_request(lambda: threads.append(threading.get_ident()))
    app.teardown_request(lambda error: threads.append(threading.get_ident()))
    service = Service("threads")
    moved = service.mount("/", app)

    @moved.get("/x")
    def x(first: int, second: int = 2) -> int:
        threads.append(threading.get_ident())
        return first + second

    async with living(service) as client:
        assert (await client.get("/x?first=1")).json() == 3
        assert len(threads) == 3
        assert len(set(threads)) == 1

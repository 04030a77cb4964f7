"""A service with a model, routes, and two mounted Flask applications."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import flask
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Query, Request, UploadFile, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from modelport import Service

EVENTS: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Leaves state for the requests."""
    app.state.thread = threading.current_thread().name
    yield {"opened": "yes"}
    EVENTS.append("lifespan closed")


service = Service("music", lifespan=lifespan)


@service.model("loudness", example={"decibel": 6.0})
def loudness(decibel: float) -> float:
    """A model."""
    return float(10 ** (decibel / 20))


class Song(BaseModel):
    """A body."""

    title: str
    tempo: float


@service.get("/hello/{name}", tags=["greetings"])
async def hello(name: str, times: Annotated[int, Query(ge=1)] = 1) -> dict[str, str]:
    """Path and query parameters."""
    return {"message": "Hello " * times + name}


@service.post("/songs", status_code=201)
def songs(song: Song) -> Song:
    """A body, in a def."""
    return song


def user(request: Request) -> str:
    """A dependency."""
    if "authorization" not in request.headers:
        raise HTTPException(401, "who are you?")
    return request.headers["authorization"]


@service.get("/me")
async def me(who: Annotated[str, Depends(user)]) -> str:
    """What a dependency gives."""
    return who


@service.get("/where")
async def where(request: Request) -> dict[str, object]:
    """What a request knows of itself."""
    assert request.client is not None
    return {
        "client": request.client.host,
        "scheme": request.url.scheme,
        "url": str(request.url_for("hello", name="x")),
        "thread": threading.current_thread().name,
        "started": request.app.state.thread,
        "state": request.state.opened,
    }


@service.get("/block")
async def block(seconds: float) -> str:
    """What an async route should not do."""
    time.sleep(seconds)  # noqa: ASYNC251  on purpose
    return "done"


@service.get("/wait")
async def wait(seconds: float) -> str:
    """What it should."""
    await asyncio.sleep(seconds)
    return "done"


@service.post("/upload")
async def upload(file: UploadFile) -> dict[str, object]:
    """A form with a file."""
    return {"name": file.filename, "size": len(await file.read())}


@service.post("/size")
async def size(request: Request) -> int:
    """A body that is read as it comes."""
    return sum([len(part) async for part in request.stream()])


@service.post("/early")
async def early() -> str:
    """An answer for which the body does not matter."""
    return "done"


async def count_up(name: str) -> AsyncIterator[bytes]:
    """Without end, but for the client's."""
    EVENTS.append(f"{name} began")
    try:
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0.001)
    finally:
        EVENTS.append(f"{name} ended")


@service.get("/endless/{name}")
async def endless(name: str) -> StreamingResponse:
    """A stream."""
    return StreamingResponse(count_up(name), media_type="text/plain")


async def broken_parts() -> AsyncIterator[bytes]:
    """One part, then no more."""
    yield b"first"
    raise RuntimeError("no second part")


@service.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    """A stream that ends badly."""
    return StreamingResponse(broken_parts())


@service.get("/events")
async def events() -> list[str]:
    """What has happened."""
    return EVENTS


@service.get("/later")
async def later(tasks: BackgroundTasks) -> str:
    """A background task."""
    tasks.add_task(EVENTS.append, "later ran")
    return "soon"


@service.get("/crash")
async def crash() -> None:
    """A fault."""
    raise ValueError("on purpose")


class Unlucky(Exception):
    """Has a handler."""


@service.exception_handler(Unlucky)
async def unlucky_handler(request: Request, error: Exception) -> JSONResponse:
    """Answers for it."""
    return JSONResponse({"unlucky": True}, 418)


@service.get("/unlucky")
async def unlucky() -> None:
    """Handled."""
    raise Unlucky


@service.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """A WebSocket."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


class Problem(BaseModel):
    """A schema with the name of one of ours."""

    what: str


router = APIRouter(prefix="/more", tags=["more"])


@router.get("/predict", operation_id="predict")
async def more_predict() -> Problem:
    """An operation whose name a model's has, too, and a schema whose name is one of ours."""
    return Problem(what="none")


service.include_router(router)


def make_flask(name: str) -> flask.Flask:
    """A small application with a session."""
    app = flask.Flask(name)
    app.secret_key = "not a secret"

    @app.get("/")
    def index() -> str:
        return flask.url_for("visits", _external=True)

    @app.get("/visits")
    def visits() -> str:
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return str(flask.session["visits"])

    @app.get("/busy")
    def busy() -> str:
        time.sleep(float(flask.request.args["seconds"]))
        return "done"

    @app.get("/numbers")
    def numbers() -> Iterator[str]:
        return (str(n) for n in range(3))

    return app


service.mount("/shop", make_flask("shop"))
service.mount("/blog", make_flask("blog"))

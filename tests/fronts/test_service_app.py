"""A service as an ASGI application, in the process of a foreign server: models in Python and saved ones, calling one another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

import modelport
from modelport import Service
from modelport.assembly.handlers import import_service
from tests.process.test_several_models import save


class Song(BaseModel):
    """A body."""

    x: float


def declare(folder: Path) -> Service:
    """A small service of every kind."""
    service = Service("here")
    double = service.model("double", folder / "double.joblib", features="x", no_compile=True)

    @service.model("plus", batch=True)
    def plus(songs: list[Song]) -> list[float]:
        if any(song.x < 0 for song in songs):
            raise ValueError("negative")
        return [song.x + 1 for song in songs]

    @service.model("both")
    async def both(song: Song) -> list[float]:
        one, other = await asyncio.gather(double(song), service["plus"](song))
        return [round(one["prediction"]), other]

    @service.model("plain", parallel=2)
    def plain(song: Song) -> float:
        return sum(float(value) for value in service["plus"].sync([song, {"x": 1}]))

    @service.model("itself")
    def itself(song: Song) -> float:
        return float(service["itself"].sync(song))

    @service.model("left")
    async def left(x: float) -> float | None:
        return modelport.deadline()

    return service


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, when every model has loaded."""
    save(2, tmp_path / "double.joblib")
    transport = httpx.ASGITransport(modelport.app(declare(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as found:
        async with asyncio.timeout(20):
            while (await found.get("/readyz")).status_code != 200:
                await asyncio.to_thread(Path.cwd)  # the models load in threads
        yield found


@pytest.mark.parametrize(
    ("model", "body", "answer"),
    [
        ("plus", {"x": 2}, 3),
        ("plus", [{"x": 2}, {"x": 3}], [3, 4]),
        ("both", {"x": 3}, [6, 4]),
        ("plain", {"x": 3}, 6),
    ],
)
async def test_each_model_answers(client: httpx.AsyncClient, model: str, body: object, answer: object) -> None:
    response = await client.post(f"/models/{model}/predict", json=body)
    assert (response.status_code, response.json()) == (200, answer)


async def test_it_is_told_where_each_model_runs(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()["models"]
    told = {model["name"]: model["executor"] for model in models}
    assert told["plus"] == told["double"] == "thread"
    assert told["both"] == "inline"


async def test_a_bad_body_is_refused_with_its_problems(client: httpx.AsyncClient) -> None:
    response = await client.post("/models/plus/predict", json={"x": "a"})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "x"])


async def test_a_failed_branch_names_itself(client: httpx.AsyncClient) -> None:
    response = await client.post("/models/both/predict", json={"x": -1})
    assert response.status_code == 500
    assert response.json()["detail"][0]["loc"] == ["model", "both", "model", "plus"]


async def test_a_model_that_calls_itself_is_told_at_once(client: httpx.AsyncClient) -> None:
    response = await client.post("/models/itself/predict", json={"x": 1})
    assert response.json()["detail"][0]["type"] == "call_cycle"


async def test_the_time_that_the_caller_waits_is_known(client: httpx.AsyncClient) -> None:
    response = await client.post("/models/left/predict", json={"x": 1}, headers={"request-timeout": "7"})
    assert 5 < response.json() <= 7


async def test_the_path_of_a_single_model_says_where_several_are(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", json={"x": 1})
    assert answer.status_code == 404
    hint = answer.json()["detail"][0]["hint"]
    assert (
        hint
        == "say which model: POST /models/{name}/predict; the models here are: double, plus, both, plain, itself, left"
    )


def test_a_service_that_declares_nothing_is_refused() -> None:
    with pytest.raises(modelport.SetupError, match="declares no model"):
        modelport.app(Service("empty"))


def test_a_call_outside_of_a_served_service_says_so() -> None:
    service = Service("idle")
    service.model("a", "a.joblib")
    with pytest.raises(modelport.CallError, match="is not being served"):
        service["a"].sync({"x": 1})


def with_routes() -> Service:
    """A model, a route that asks it, and a mounted application."""
    started: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        started.append("up")
        yield

    service = Service("beside", lifespan=lifespan)

    @service.model("plus")
    def plus(x: float) -> float:
        if x < 0:
            raise ValueError("negative")
        return x + 1

    @service.get("/next/{x}")
    async def following(x: float) -> tuple[float, list[str]]:
        return await service["plus"](x=x), started

    def legacy(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    @service.get("/both/{x}")
    async def both(x: float) -> list[float]:
        return [float(value) for value in await service["plus"]([{"x": 1}, {"x": x}])]

    service.mount("/legacy", legacy)
    return service


def test_routes_and_mounted_applications_run_on_the_servers_loop_beside_the_models() -> None:
    async def ask() -> None:
        app = modelport.app(with_routes())
        async with (
            lifespan_of(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
        ):
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/next/1")).json() == [2.0, ["up"]]
            assert (await client.get("/legacy/some/where")).text == "/some/where"
            assert (await client.post("/predict", json={"x": 4})).json() == 5.0
            failed = await client.get("/next/-1")
            assert failed.status_code == 500
            assert failed.json()["detail"][0]["loc"] == ["model", "plus"]
            batch = (await client.get("/both/-1")).json()["detail"][0]
            assert (batch["loc"], batch["msg"]) == (["model", "plus"], "1 of 2 records failed, the first at [1]")
            assert "/next/{x}" in (await client.get("/openapi.json")).json()["paths"]

    asyncio.run(ask())


@contextlib.asynccontextmanager
async def lifespan_of(app: Any) -> AsyncIterator[None]:
    """What a server does around its requests."""
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, heard.get, said.put))
    for phase in ("startup", "shutdown"):
        await heard.put({"type": f"lifespan.{phase}"})
        assert await said.get() == {"type": f"lifespan.{phase}.complete"}
        if phase == "startup":
            yield
    await running


def test_code_that_was_edited_within_a_second_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cached bytecode is told from its source by the second and the size alone."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "edited_app.py"
    for name in ("one", "two"):
        file.write_text(f"from modelport import Service\nservice = Service({name!r})\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        assert import_service(str(file)).name == name

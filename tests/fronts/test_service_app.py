"""A service as an ASGI application, in the process of a foreign server: models in Python and saved ones, calling one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

import modelport
from modelport import Service
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


def test_a_service_that_declares_nothing_is_refused() -> None:
    with pytest.raises(modelport.SetupError, match="declares no model"):
        modelport.app(Service("empty"))


def test_a_call_outside_of_a_served_service_says_so() -> None:
    service = Service("idle")
    service.model("a", "a.joblib")
    with pytest.raises(modelport.CallError, match="is not being served"):
        service["a"].sync({"x": 1})

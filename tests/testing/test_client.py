"""A client in this process: the same service, the same errors, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from modelport import Service, SetupError
from modelport.testing import async_client, client
from tests.fronts.models import TRACK
from tests.fronts.shape import assert_error_body

Write = Callable[..., Path]


def make_service(**more: Any) -> Service:
    """Two models, one calling the other, and routes."""
    service = Service("songs", **more)

    @service.model("loudness", example={"decibel": 6.0})
    def loudness(decibel: float, reference: float = 1.0) -> float:
        return float(reference * 10 ** (decibel / 20))

    @service.model("words", batch=True)
    class Words:
        def load(self) -> None:
            self.stop = {"the", "a"}

        def predict(self, titles: list[str]) -> list[int]:
            return [sum(word not in self.stop for word in title.split()) for title in titles]

    @service.get("/loud")
    async def loud(decibel: float) -> dict[str, Any]:
        return {"loudness": await service["loudness"](decibel=decibel)}

    @service.get("/breaks")
    def breaks() -> None:
        raise ValueError("of the test")

    return service


def test_the_example_of_an_async_model_is_asked_before_it_serves() -> None:
    service, asked = Service("songs"), list[float]()

    @service.model("loudness", example={"decibel": 6.0})
    async def loudness(decibel: float) -> float:
        asked.append(decibel)
        return decibel

    with client(service) as api:
        assert api.get("/readyz").json() == {"state": "ready"}
        assert asked == [6.0]


def test_a_service_answers_as_it_does_when_it_is_served() -> None:
    with client(make_service()) as api:
        assert api.get("/readyz").json() == {"state": "ready"}
        assert api.post("/models/loudness/predict", json={"decibel": 20}).json() == 10.0
        assert api.post("/models/words/predict", json=["a song", "the b side"]).json() == [1, 2]
        assert api.get("/loud", params={"decibel": 0}).json() == {"loudness": 1.0}
        refused = api.post("/models/loudness/predict", json={"decibel": "x"})
        assert refused.status_code == 422
        assert_error_body(refused.content)
        assert api.get("/nowhere").status_code == 404
        assert api.get("/openapi.json").json()["paths"].keys() >= {"/loud", "/models/words/predict"}


def test_an_exception_of_a_route_is_the_500_that_callers_get() -> None:
    with client(make_service()) as api:
        answer = api.get("/breaks")
        assert answer.status_code == 500
        assert "of the test" not in answer.text


def test_a_saved_model_and_a_python_file_are_served_too(fake: Write, tmp_path: Path) -> None:
    with client(fake("track"), name="mine") as api:
        assert api.post("/models/mine/predict", json=TRACK).json() == {"prediction": 123.0}
    (tmp_path / "served_for_test.py").write_text(
        "from modelport import Service\nservice = Service('s')\ntrack = service.model('track', 'track.fake')\n"
    )
    with client(str(tmp_path / "served_for_test.py")) as api:
        assert api.post("/predict", json=TRACK).json() == {"prediction": 123.0}


def test_the_same_service_can_be_served_again_and_again() -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url.path)

    service = make_service(dependencies=[Depends(note)])
    routes = len(service.web.router.routes)
    for _ in range(3):
        with client(service) as api:
            assert api.post("/models/loudness/predict", json={"decibel": 20}).json() == 10.0
            assert api.get("/loud", params={"decibel": 20}).json() == {"loudness": 10.0}
    assert asked == ["/models/loudness/predict", "/loud"] * 3
    assert len(service.web.router.routes) == routes
    with pytest.raises(Exception, match="is not being served"):
        service["loudness"].sync(decibel=1.0)


def test_the_lifespan_runs_around_the_tests() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        seen.append("up")
        yield {"started": 1}
        seen.append("down")

    service = Service("s", lifespan=lifespan)

    @service.get("/state")
    def state(request: Request) -> int:
        return int(request.state.started)

    with client(service) as api:
        assert seen == ["up"]
        assert api.get("/state").json() == 1
    assert seen == ["up", "down"]


def test_what_cannot_be_served_says_so_when_the_client_is_made(fake: Write, tmp_path: Path) -> None:
    service = Service("s")

    @service.model("broken")
    class Broken:
        def load(self) -> None:
            raise OSError("no disk")

        def predict(self, x: float) -> float:
            return x

    with (
        pytest.raises(SetupError, match="'broken' cannot be served: loading failed: OSError: no disk"),
        client(service),
    ):
        pass

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    with (
        pytest.raises(SetupError, match=r"the lifespan of t failed: .*no database"),
        client(Service("t", lifespan=lifespan)),
    ):
        pass
    with pytest.raises(SetupError, match="does not exist"), client(tmp_path / "missing.joblib"):
        pass
    with pytest.raises(SetupError, match="did you mean --name"), client(fake("track"), nmae="x"):
        pass


def test_no_thread_is_left_behind(fake: Write) -> None:
    def ours() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.startswith("modelport-")}

    before = ours()
    with client(fake("track", held=True)) as api:
        assert api.post("/predict", json=TRACK).status_code == 200
        named = [thread for thread in threading.enumerate() if thread.name == "modelport-track"]
        assert named
    for thread in named:
        thread.join(10)
    assert {name for name in ours() - before if "testing" in name} == set()


def test_bodies_are_sent_and_answers_read_in_parts() -> None:
    service = Service("s")
    gate = threading.Event()

    @service.post("/echo")
    async def echo(request: Request) -> StreamingResponse:
        parts = [part async for part in request.stream()]

        async def answer() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return StreamingResponse(answer())

    @service.get("/slow")
    def slow() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"first"
            gate.wait(30)
            yield b"last"

        return StreamingResponse(parts())

    with client(service) as api:
        sent = [b"a" * 100_000, b"b" * 300_000, b"c"]
        assert api.post("/echo", content=iter(sent)).content == b"".join(sent)
        with api.stream("GET", "/slow") as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"first"
            gate.set()
            assert b"".join(parts) == b"last"


def test_an_endless_answer_ends_when_its_reader_leaves() -> None:
    service, ended = Service("s"), threading.Event()

    @service.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10_000

        return StreamingResponse(parts(), background=BackgroundTask(ended.set))

    with client(service) as api:
        with api.stream("GET", "/endless") as answer:
            next(answer.iter_raw())
        assert ended.wait(10)


def test_an_answer_that_breaks_off_is_an_error_of_the_transport() -> None:
    service = Service("s")

    @service.get("/half")
    def half() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"half"
            raise ValueError("of the test")

        return StreamingResponse(parts())

    with client(service) as api, pytest.raises(httpx.RemoteProtocolError, match="broke off"):
        api.get("/half")


def test_a_call_that_hangs_runs_into_the_time_limit_of_its_client() -> None:
    service, gate = Service("s"), threading.Event()

    @service.get("/hangs")
    def hangs() -> str:
        gate.wait(30)
        return "late"

    with client(service) as api:
        with pytest.raises(httpx.ReadTimeout):
            api.get("/hangs", timeout=0.2)
        gate.set()


# -- async -----------------------------------------------------------------------------------------------------------


async def test_an_async_client_runs_the_service_on_the_loop_of_the_test() -> None:
    async with async_client(make_service()) as api:
        assert (await api.post("/models/loudness/predict", json={"decibel": 20})).json() == 10.0
        assert (await api.get("/loud", params={"decibel": 0})).json() == {"loudness": 1.0}
        assert (await api.get("/breaks")).status_code == 500
        assert (await api.post("/models/loudness/predict", content=b"{")).status_code == 400


async def test_an_async_client_reads_answers_in_parts_and_leaves_when_it_likes() -> None:
    import asyncio

    service, gate, ended = Service("s"), asyncio.Event(), asyncio.Event()

    @service.get("/slow")
    async def slow() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await gate.wait()
            while True:
                yield b"more" * 1000

        async def note() -> None:
            ended.set()

        return StreamingResponse(parts(), background=BackgroundTask(note))

    async with async_client(service) as api:
        async with api.stream("GET", "/slow") as answer:
            parts = answer.aiter_raw()
            assert await anext(parts) == b"first"
            gate.set()
            assert await anext(parts)
        await asyncio.wait_for(ended.wait(), 10)

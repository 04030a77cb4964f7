"""Models that call models, in real processes: values, errors by branch, deadlines, cancellation and cycles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.process.engine import Served, serve, until, write_app
from tests.process.test_several_models import save

MODELS = """
import threading
import modelport
from dataclasses import dataclass
from pydantic import BaseModel

class Song(BaseModel):
    x: float

class Mood(BaseModel):
    level: float
    words: list[str] = []

double = service.model("double", "files/double.joblib", features="x", executor="inline", no_compile=True)
triple = service.model("triple", "files/triple.joblib", features="x", no_compile=True)

@service.model("mood", batch=True, parallel=1)
def mood(songs: list[Song]) -> list[Mood]:
    if any(song.x < 0 for song in songs):
        raise ValueError("negative")
    return [Mood(level=song.x / 2, words=["a", "b"]) for song in songs]

@service.model("both", parallel=1)
async def both(song: Song) -> dict[str, float]:
    a, b, m = await asyncio.gather(double(song), triple(x=song.x), service["mood"](song))
    assert isinstance(m, Mood)
    return {"double": round(a["prediction"]), "triple": round(b["prediction"]), "level": m.level}

@service.model("plain")
def plain(x: float) -> list[float]:
    many = double.sync([{"x": x}, {"x": x + 1}])
    return [round(one["prediction"]) for one in many] + [mood.level for mood in service["mood"].sync([Song(x=x)])]

@service.model("careful")
async def careful(x: float) -> str:
    try:
        await service["mood"]({"y": x})
    except modelport.InvalidInput as error:
        return f"{error.model}: {error.problems[0].loc}"

@service.model("slow")
async def slow(x: float) -> float:
    try:
        await asyncio.sleep(x)
    except asyncio.CancelledError:
        pathlib.Path(f"cancelled-{x}").touch()
        raise
    return round(modelport.deadline(), 3)

@service.model("waits")
async def waits(x: float) -> float:
    return await service["slow"](x=x)

@service.model("around", parallel=1)
async def around(x: float) -> float:
    return await service["back"](x=x)

@service.model("back", parallel=1)
async def back(x: float) -> float:
    return await service["around"](x=x)

@service.model("together")
class Together:
    async def load(self) -> None:
        self.inside, self.full = 0, asyncio.Event()

    async def predict(self, needed: int) -> int:
        self.inside += 1
        if self.inside == needed:
            self.full.set()
        await self.full.wait()
        return threading.active_count()

@service.model("fetch")
class Fetch:
    async def load(self) -> None:
        import httpx

        self.client = httpx.AsyncClient()

    async def predict(self, url: str) -> list[int]:
        one, other = await asyncio.gather(*(self.client.get(url, timeout=modelport.deadline()) for _ in range(2)))
        doubled = await double(x=float(one.text))
        return [round(doubled["prediction"]), int(other.text)]

@service.model("dies")
def dies(x: float) -> float:
    os._exit(7)

@service.model("asks")
async def asks(x: float) -> float:
    return await service["dies"](x=x)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two saved models, and models in Python that call them and one another."""
    folder = tmp_path_factory.mktemp("calls")
    save(2, folder / "files" / "double.joblib")
    save(3, folder / "files" / "triple.joblib")
    with serve(write_app(folder, MODELS), "--workers", "1", "--standby", "off") as running:
        yield running


def detail(served: Served, model: str, body: object, **headers: str) -> tuple[int, dict[str, object]]:
    """Status and first problem of an answer."""
    answer = served.predict(body, model, **headers)
    assert answer.status >= 400, answer.body
    return answer.status, answer.json["detail"][0]


def test_branches_run_beside_one_another_and_answer_typed_values(served: Served) -> None:
    assert served.predict({"x": 6}, "both").json == {"double": 12, "triple": 18, "level": 3}


def test_a_plain_function_calls_models_too_with_lists_as_batches(served: Served) -> None:
    assert served.predict({"x": 6}, "plain").json == [12, 14, 3]


def test_a_refused_record_is_an_exception_with_the_problems(served: Served) -> None:
    assert served.predict({"x": 6}, "careful").json == "mood: ('model', 'mood', 'body', 'x')"


def test_a_branch_that_fails_names_itself_and_is_no_fault_of_the_caller(served: Served) -> None:
    status, problem = detail(served, "both", {"x": -1})
    assert (status, problem["type"], problem["loc"]) == (500, "model_failed", ["model", "both", "model", "mood"])


def test_the_deadline_of_the_outer_call_bounds_the_inner_one_and_can_be_read(served: Served) -> None:
    left = served.predict({"x": 0.05}, "waits", Request_Timeout="5").json
    assert 4 < left < 4.95
    status, problem = detail(served, "waits", {"x": 20}, Request_Timeout="0.3")
    assert (status, problem["type"]) == (504, "deadline_exceeded")


def test_a_caller_that_is_gone_cancels_the_inner_call(served: Served) -> None:
    detail(served, "waits", {"x": 21}, Request_Timeout="0.2")
    folder = served.log.parent
    until((folder / "cancelled-21.0").exists, 10)


@pytest.mark.parametrize("model", ["around", "back"])
def test_models_that_call_one_another_in_a_circle_are_told_at_once(served: Served, model: str) -> None:
    started = time.monotonic()
    status, problem = detail(served, model, {"x": 1})
    other = {"around": "back", "back": "around"}[model]
    assert (status, problem["type"]) == (500, "call_cycle")
    assert f"{model} → {other} → {model}" in str(problem["msg"])
    assert time.monotonic() - started < 5


def test_many_calls_of_an_async_model_wait_at_once_without_a_thread_for_any(served: Served) -> None:
    answers = [served.predict_later({"needed": 60}, "together") for _ in range(60)]
    threads = [answer.result(20).json for answer in answers]
    assert max(threads) < 10


@pytest.fixture
def upstream() -> Iterator[str]:
    """Another service, which answers 21; under /slow it does not."""
    over = threading.Event()

    class Upstream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                over.wait(20)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"21")

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()


def test_an_async_model_asks_others_over_a_client_that_load_opened(served: Served, upstream: str) -> None:
    for _ in range(3):
        assert served.predict({"url": upstream}, "fetch").json == [42, 21]


def test_what_is_left_of_the_deadline_bounds_an_upstream_that_hangs(served: Served, upstream: str) -> None:
    started = time.monotonic()
    assert served.predict({"url": f"{upstream}/slow"}, "fetch", Request_Timeout="0.5").status == 504
    assert time.monotonic() - started < 5


def test_a_branch_whose_process_dies_is_told_as_such(served: Served) -> None:
    status, problem = detail(served, "asks", {"x": 1})
    assert (status, problem["type"], problem["loc"]) == (503, "holder_lost", ["model", "asks", "model", "dies"])


def test_inner_calls_are_counted_as_calls_of_their_model(served: Served) -> None:
    def counted() -> float:
        lines = served.get("/metrics").body.decode().splitlines()
        found = [line for line in lines if line.startswith("modelport_requests_total") and 'model="triple"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    before = counted()
    assert served.predict({"x": 1}, "both").status == 200
    assert counted() == before + 1

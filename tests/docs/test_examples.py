"""The shipped examples: every README does what it shows, and every program answers what it promises."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import modelport
from tests.docs.examples import PAGE, adopted_page, copy_examples
from tests.docs.pages import read_blocks
from tests.docs.session import Session

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
READMES = sorted((ROOT / "examples").glob("*/README.md"))
SONG = {
    "acousticness": 0.13,
    "danceability": 0.71,
    "energy": 0.62,
    "instrumentalness": 0.01,
    "liveness": 0.11,
    "speechiness": 0.34,
    "tempo": 92.0,
    "valence": 0.55,
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with their models."""
    return copy_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The weather's upstream, and `WEATHER_URL` pointing to it."""
    served = load(ROOT / "examples" / "weather", "upstream").Weather
    with ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WEATHER_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def load(folder: Path, name: str) -> ModuleType:
    """A program of an example, imported where it lies."""
    spec = importlib.util.spec_from_file_location(f"example_{folder.name}_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    before = set(sys.modules)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        for other in set(sys.modules) - before:
            if str(getattr(sys.modules[other], "__file__", "")).startswith(str(folder)):
                del sys.modules[other]
    return module


@asynccontextmanager
async def asking(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an ASGI application whose lifespan is run."""
    events, said = asyncio.Queue[Any](), asyncio.Queue[Any]()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    task = asyncio.create_task(app(scope, events.get, said.put))
    await events.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": state.copy()}, receive, send)

    transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        yield client
    await events.put({"type": "lifespan.shutdown"})
    await task


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an example's service, when its models have loaded."""
    async with asking(modelport.app(load(folder, "service").service, no_compile=True)) as client:
        async with asyncio.timeout(20):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.to_thread(int)  # the models load in threads
        yield client


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_a_readme_does_what_it_shows(readme: Path, trained: Path, tmp_path: Path, upstream: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    examples = tmp_path / "examples"
    shutil.copytree(trained, examples)
    session = Session(examples / readme.parent.name, ROOT)
    try:
        session.read(read_blocks(readme))
    finally:
        session.close()


def test_every_example_has_a_readme_that_the_list_leads_to() -> None:
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "examples").glob("*/*.py")}
    assert folders == {path.parent.name for path in READMES}
    assert [name for name in folders if f"]({name}/README.md)" not in listed] == []


async def test_hello_answers_by_path_by_query_and_as_a_model() -> None:
    hello = ROOT / "examples" / "hello"
    ann = {"message": "Hello! Ann"}
    assert load(hello, "flask_app").app.test_client().get("/Ann").json == ann
    async with asking(load(hello, "fastapi_app").app) as client:
        assert (await client.get("/", params={"name": "Ann"})).json() == ann
        assert (await client.get("/")).status_code == 422
    async with served(hello) as client:
        assert (await client.post("/predict", json={"name": "Ann"})).json() == ann


@pytest.mark.usefixtures("upstream")
async def test_the_weather_is_asked_of_the_upstream() -> None:
    weather = ROOT / "examples" / "weather"
    london, oslo = {"city": "London", "temp_c": 11.5}, {"city": "Oslo", "temp_c": -3.0}
    flask = load(weather, "flask_app").app.test_client()
    assert await asyncio.to_thread(lambda: flask.get("/weather").json) == london
    assert await asyncio.to_thread(lambda: flask.get("/weather?city=Oslo").json) == oslo
    assert await asyncio.to_thread(lambda: flask.get("/weather?city=Atlantis").status_code) == 404
    async with asking(load(weather, "fastapi_app").app) as client:
        assert (await client.get("/weather", params={"city": "Oslo"})).json() == oslo
        assert (await client.get("/weather", params={"city": "Atlantis"})).status_code == 404
    async with served(weather) as client:
        assert (await client.get("/weather")).json() == london
        assert (await client.post("/predict", json=[{"city": "Oslo"}, {}])).json() == [oslo, london]


async def test_a_weather_service_that_is_gone_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_URL", "http://127.0.0.1:9")
    weather = ROOT / "examples" / "weather"
    assert load(weather, "flask_app").app.test_client().get("/weather").status_code == 502
    async with asking(load(weather, "fastapi_app").app) as client:
        assert (await client.get("/weather")).status_code == 502


async def test_a_song_has_the_same_genre_in_flask_fastapi_and_a_service(trained: Path) -> None:
    music = trained / "music"
    assert load(music, "flask_app").app.test_client().post("/classify", json=SONG).json == {"genre": "Hip-Hop"}
    async with asking(load(music, "fastapi_app").app) as client:
        expected = (await client.post("/classify", json=SONG)).json()
        schema = (await client.get("/openapi.json")).json()["components"]["schemas"]["Song"]
    assert expected["genre"] == "Hip-Hop"
    assert schema["examples"] == [{**SONG, "energy": 0.62}]
    assert [name for name, entry in schema["properties"].items() if "description" in entry] == list(SONG)
    async with served(music) as client:
        assert (await client.post("/classify", json=SONG)).json() == pytest.approx(expected)
        assert (await client.post("/classify", json={**SONG, "tempo": 0})).status_code == 422


async def test_a_digit_is_read_from_a_picture(trained: Path) -> None:
    image = trained / "image"
    seven = (image / "seven.png").read_bytes()
    flask = load(image, "flask_app").app.test_client()
    assert flask.post("/digit", data={"picture": (image / "seven.png").open("rb")}).json == {"digit": 7}
    assert flask.post("/digit", data={"picture": (image / "train.py").open("rb")}).status_code == 415
    assert flask.post("/digit").status_code == 400
    async with served(image) as client:
        body = {"picture": base64.b64encode(seven).decode(), "top": 1}
        assert (await client.post("/predict", json=body)).json() == [7]


async def test_listeners_keep_their_branch_of_the_pipeline(trained: Path) -> None:
    async with served(trained / "pipeline") as client:
        for listener, variant in (("eve", "A"), ("bob", "B")) * 2:
            answer = (await client.post("/recommend", json={"listener": listener, "song": SONG})).json()
            assert answer["variant"] == variant
        missing = await client.post("/recommend", json={"listener": "bob", "song": {"energy": 1, "valence": 1}})
        assert (missing.status_code, missing.json()["detail"][0]["loc"][:2]) == (422, ["model", "genre-b"])


async def test_the_share_of_a_branch_is_what_was_asked_for(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARE_B", "0.1")
    variant_of = load(trained / "pipeline", "service").variant_of
    listeners = [f"listener {number}" for number in range(4000)]
    assert 0.08 < sum(variant_of(name) == "B" for name in listeners) / len(listeners) < 0.12


def test_the_shop_passes_its_own_tests(trained: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_shop.py"]
    done = subprocess.run(command, cwd=trained / "adopted", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_of_what_adopt_says_of_the_examples_is_what_it_says(trained: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == adopted_page(trained)

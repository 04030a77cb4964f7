"""A whole Flask application, unchanged and half-way moved: its own tests, a thousand recorded requests, users that must not mix."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.process.server import ROOT, Server, child_environment, free_port, request, wait_until

EXAMPLES = ROOT / "examples"
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
FROZEN = """
import itsdangerous

itsdangerous.TimestampSigner.get_timestamp = lambda self: 1_700_000_000  # a cookie that is set in two seconds differs

from wsgi import app
"""
SLOW = """
import time
from pathlib import Path

from service import app, service

@app.get("/slow")
def slow():
    while not Path("released").exists():
        time.sleep(0.02)
    return "done"
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with its model."""
    folder = tmp_path_factory.mktemp("trained") / "adopted"
    shutil.copytree(EXAMPLES / "adopted", folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite", "*.joblib"))
    train = [sys.executable, str(EXAMPLES / "music" / "train.py"), "--out", str(folder)]
    subprocess.run(train, check=True, capture_output=True)
    return folder


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


def serve(folder: Path, target: str, *flags: object) -> Server:
    """The shop behind our server."""
    return Server.start(Path(target), "--workers", 1, "--standby", "off", *flags, folder=folder)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["wsgi.py", "service.py"], ids=["unchanged", "half-way"])
def test_the_applications_own_tests_pass_over_http(target: str, shop: Path) -> None:
    shutil.copyfile(Path(__file__).with_name("shop_conftest.py"), shop / "conftest.py")
    with serve(shop, target) as server:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(shop), "test_shop.py"],
            cwd=shop,
            env={**child_environment(), "SHOP_PORT": str(server.port)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert re.search(r"^8 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr + server.stderr


# -- a thousand requests -------------------------------------------------------------------------------------------------


def form(**fields: str) -> dict[str, Any]:
    """A form as a browser sends it."""
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    return {"method": "POST", "body": body, "headers": {"content-type": "application/x-www-form-urlencoded"}}


def upload(name: str, content: str) -> dict[str, Any]:
    """A file in a form."""
    text = f'--x\r\ncontent-disposition: form-data; name="{name}"; filename="t.csv"\r\n\r\n{content}\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return {"method": "POST", "body_base64": base64.b64encode(text.encode()).decode(), "headers": kind}


KINDS: list[dict[str, Any]] = [
    {"path": "/account/login", **form(name="ann", password="rock")},
    {"path": "/account/login", **form(name="bob", password="hiphop")},
    {"path": "/account/login", **form(name="eve", password="%C3%A9")},
    {"path": "/account/logout", "method": "POST"},
    {"path": "/tracks", **upload("file", "title,tempo\nOne,90\nZw\u00f6lf,120.5\n")},
    {"path": "/tracks", **upload("file", "a,b\n1,2\n")},
    {"path": "/tracks", **upload("other", "title,tempo\n")},
    *({"path": "/predict", "json": {**SONG, "tempo": tempo}} for tempo in (60, 92, 140.5)),
    {"path": "/predict", "json": {"tempo": 90}},
    {"path": "/predict", "body": "{", "headers": {"content-type": "application/json"}},
    {"path": "/predict", "body": "x"},
    *({"path": path} for path in ("/", "/account/login", "/account/me", "/tracks", "/tracks.csv", "/tracks/average")),
    *(
        {"path": path}
        for path in ("/tracks/1", "/tracks/%31", "/tracks/999999", "/nothing", "/tracks/a%2Fb", "/account")
    ),
    {"path": "/?a=1&a=2&b=%C3%A9"},
    {"path": "/logo.svg"},
    {"path": "/logo.svg", "headers": {"range": "bytes=0-9"}},
    {"path": "/logo.svg", "headers": {"range": "bytes=999-"}},
    {"path": "/logo.svg", "headers": {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}},
    {"path": "/", "method": "HEAD"},
    {"path": "/tracks", "method": "OPTIONS"},
    {"path": "/tracks", "method": "DELETE"},
]
STATUSES = {"200", "206", "302", "304", "400", "401", "404", "405", "415", "416", "500"}


def record(path: Path) -> None:
    """A thousand requests of people who come and go: every kind once, then the same in any order."""
    chosen = random.Random(9)
    asked = [*KINDS, *chosen.choices(KINDS, k=1000 - len(KINDS))]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in asked), encoding="utf-8")


def gunicorn(shop: Path, folder: Path) -> Server:
    """The control, with as many threads and a database of its own. It logs the status of each answer to its output."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
    command += [
        "--chdir",
        str(shop),
        "--threads",
        "8",
        "--access-logfile",
        "-",
        "--access-logformat",
        "%(s)s",
        "frozen:app",
    ]
    server = Server.run(command, port, folder, ready=False, environ={"SHOP_DATABASE": str(folder / "shop.sqlite")})
    wait_until(lambda: _answers(server), "gunicorn answers", 30)
    return server


def _answers(server: Server) -> bool:
    try:
        return server.ask("GET", "/").status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_a_thousand_recorded_requests_are_answered_as_gunicorn_answers_them(shop: Path, tmp_path: Path) -> None:
    (shop / "frozen.py").write_text(FROZEN)
    record(tmp_path / "requests.ndjson")
    with gunicorn(shop, tmp_path / "control") as old, serve(shop, "frozen:app") as new:
        command = [sys.executable, "-m", "modelport", "diff", "--old", old.url, "--new", new.url]
        done = subprocess.run(
            [*command, str(tmp_path / "requests.ndjson")],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "none of 1000 requests answered differently\n"), done.stderr
        assert set(old.stdout.split()) == STATUSES


# -- who is who ----------------------------------------------------------------------------------------------------------


def log_in(server: Server, name: str, password: str) -> str:
    """The session cookie of a user."""
    kind = {"content_type": "application/x-www-form-urlencoded"}
    answer = server.ask("POST", "/account/login", f"name={name}&password={password}".encode(), **kind)
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture
def half_way(shop: Path) -> Iterator[Server]:
    """The half-way service."""
    with serve(shop, "service.py") as server:
        yield server


@pytest.mark.slow
def test_ten_thousand_requests_of_users_and_strangers_are_never_mixed_up(half_way: Server) -> None:
    cookies = {"ann": log_in(half_way, "ann", "rock"), "bob": log_in(half_way, "bob", "hiphop")}
    body = json.dumps(SONG).encode()

    def ask(lane: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        mine = ("ann", "bob")[lane % 2]
        with half_way.connect() as connection:
            for _ in range(250):
                connection.send(request("GET", "/account/me", cookie=cookies[mine]))
                seen[f"{mine} is {connection.read('GET').json()['user']}"] += 1
                connection.send(request("GET", "/livez"))
                seen[f"probe {connection.read('GET').status}"] += 1
                connection.send(request("GET", "/account/me"))
                seen[f"stranger {connection.read('GET').status}"] += 1
                connection.send(request("POST", "/predict", body, cookie=cookies[mine]))
                seen[f"{mine} may {connection.read().status}"] += 1
                connection.send(request("POST", "/predict", body))
                seen[f"stranger may {connection.read().status}"] += 1
        return seen

    with ThreadPoolExecutor(8) as lanes:
        total = sum(lanes.map(ask, range(8)), Counter[str]())
    assert total == {
        "ann is ann": 1000,
        "bob is bob": 1000,
        "ann may 200": 1000,
        "bob may 200": 1000,
        "probe 200": 2000,
        "stranger 401": 2000,
        "stranger may 401": 2000,
    }, half_way.stderr


@pytest.mark.slow
def test_sixty_slow_requests_of_the_application_starve_neither_models_nor_moved_routes_nor_probes(shop: Path) -> None:
    (shop / "slow.py").write_text(SLOW)
    with serve(shop, "slow:service") as server, ThreadPoolExecutor(60) as crowd:
        cookie = log_in(server, "ann", "rock")
        slow = [crowd.submit(server.ask, "GET", "/slow") for _ in range(60)]
        try:
            for _ in range(20):
                assert server.ask("GET", "/livez").status == 200
                assert server.predict(SONG, cookie=cookie).json() == {"genre": "Hip-Hop"}
                assert server.ask("POST", "/models/genre/predict", json.dumps(SONG).encode()).status == 200
            assert not any(future.done() for future in slow)
        finally:
            (shop / "released").touch()
        assert {future.result().body for future in slow} == {b"done"}


def test_a_route_that_has_moved_uses_the_database_that_its_hooks_open_and_close(half_way: Server) -> None:
    cookie = log_in(half_way, "ann", "rock")
    answer = half_way.predict(SONG, cookie=cookie)
    assert (answer.status, answer.json(), answer.headers["x-frame-options"]) == (200, {"genre": "Hip-Hop"}, "DENY")
    asked = answer.headers["set-cookie"].partition(";")[0]
    assert half_way.ask("GET", "/account/me", cookie=asked).json() == {"user": "ann", "asked": 1}
    assert half_way.ask("GET", "/predict").status == 405
    said = [line for line in half_way.stderr.splitlines() if "compiling the model" not in line]  # on a busy machine
    assert said == []
    assert os.path.exists(half_way.folder / "shop.sqlite")

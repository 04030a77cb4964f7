"""Applications that exist already, served as they are: theirs win, ours make room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.server import Server, child_environment

FLASK = """
from flask import Flask
app = Flask(__name__)

@app.get("/")
def home():
    return "home"

@app.post("/predict")
def predict():
    return "mine"

@app.get("/docs")
def docs():
    return "my docs"

@app.get("/livez")
def livez():
    return "my own"
"""
FASTAPI = """
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    yield {"opened": "yes"}

def create_app(lifespan=lifespan):
    app = FastAPI(lifespan=lifespan, title="Mine")

    @app.get("/items/{number}")
    async def item(number: int):
        return {"number": number}
    return app

app = create_app()
other = create_app()
"""


def serve(folder: Path, text: str, target: str) -> Server:
    """Serve a file's application."""
    (folder / "shop.py").write_text(text)
    return Server.start(Path(target), "--workers", 1, folder=folder)


def test_a_flask_application_runs_unchanged_and_ours_make_room(tmp_path: Path) -> None:
    with serve(tmp_path, FLASK, "shop:app") as server:
        assert server.ask("GET", "/").body == b"home"
        assert server.ask("POST", "/predict", b"").body == b"mine"
        assert server.ask("GET", "/docs").body == b"my docs"
        assert server.ask("GET", "/livez").body == b"my own"
        assert server.ask("GET", "/models").status == 404
        assert server.ask("GET", "/models").headers["content-type"].startswith("text/html")
        assert server.ask("GET", "/_modelport/livez").json() == {"status": "ok"}
        assert server.ask("GET", "/_modelport/models").json() == {"models": []}
        assert b"/_modelport/openapi.json" in server.ask("GET", "/_modelport/docs").body
        paths = server.ask("GET", "/_modelport/openapi.json").json()["paths"]
        assert "/_modelport/models" in paths
        assert "/models" not in paths
        assert "mounted  / flask application (WSGI)" in server.stdout
        assert "moved    /, /docs, /livez, /metrics" in server.stdout
        assert f"{server.url}/_modelport/livez   {server.url}/readyz" in server.stdout


def test_a_fastapi_application_runs_unchanged_with_its_own_documents(tmp_path: Path) -> None:
    with serve(tmp_path, FASTAPI, "shop.py") as server:
        assert server.ask("GET", "/items/3").json() == {"number": 3}
        assert server.ask("GET", "/openapi.json").json()["info"]["title"] == "Mine"
        assert server.ask("GET", "/livez").json() == {"status": "ok"}
        assert server.ask("GET", "/nothing").json() == {"detail": "Not Found"}
        assert "mounted  / fastapi application (ASGI)" in server.stdout


def test_a_factory_makes_the_application(tmp_path: Path) -> None:
    with serve(tmp_path, FASTAPI, "shop:create_app()") as server:
        assert server.ask("GET", "/items/3").json() == {"number": 3}


@pytest.mark.parametrize(
    ("text", "target", "complaint"),
    [
        ("x = 3", "shop.py", "declares no Service, and holds no Flask, FastAPI or other web application"),
        (FASTAPI.replace("\napp =", "\nfirst ="), "shop.py", "holds 2 web applications (first, other); name one"),
        (FASTAPI, "shop:create_app", "if it makes the application, say  shop:create_app()"),
        (FASTAPI, "shop:nothing", "this module has no 'nothing'"),
        ("def create_app(): ...", "shop.py", "if create_app makes one, say  shop.py:create_app()"),
        (
            "from modelport import Service\nservice = Service('s')\nservice.mount('/x', 3)",
            "shop.py",
            "3 is no web application",
        ),
        (
            "from modelport import Service\nservice = Service('s')\nservice.mount('x', 3)",
            "shop.py",
            'mount wants a prefix such as "/legacy"',
        ),
        (
            "from modelport import Service\nasync def late(app):\n    raise OSError('no database')\n    yield\n"
            "from contextlib import asynccontextmanager\nservice = Service('s', lifespan=asynccontextmanager(late))",
            "shop.py",
            "the lifespan of shop.py failed: OSError: no database",
        ),
        (
            "from modelport import Service\nservice = Service('s')\n@service.model('m')\ndef m(x: int) -> int: return x\n"
            "@service.post('/models/m/predict')\ndef mine(): ...",
            "shop.py",
            "which is the model's own path",
        ),
        (
            "from modelport import Service\nservice = Service('s')\n@service.get('hello')\ndef mine(): ...",
            "shop.py",
            "a route is declared at 'hello', where no request comes: write  '/hello'",
        ),
    ],
)
def test_what_cannot_be_served_ends_the_start_with_one_line(
    tmp_path: Path, text: str, target: str, complaint: str
) -> None:
    (tmp_path / "shop.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "modelport", "serve", target, "--port", "0", "--workers", "1"],
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert complaint in done.stderr.splitlines()[-1]

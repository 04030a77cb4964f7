"""`modelport.app(...)` under the servers that people already run."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fronts.hostile import CASES, GOOD
from tests.fronts.models import TRACK
from tests.fronts.shape import assert_error_body
from tests.process.server import Server, free_port, wait_until

APPLICATION = """
import modelport

application = modelport.app("track.fake", name="track", max_body="100kB")
"""
AT = "127.0.0.1:{port}"
COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "service:application", "--port", "{port}", "--log-level", "warning"],
    "hypercorn": ["-m", "hypercorn", "service:application", "--bind", AT],
    "granian": ["-m", "granian", "service:application", "--interface", "asgi", "--port", "{port}"],
    "gunicorn with uvicorn's worker": [
        "-m", "gunicorn", "service:application", "--bind", AT, "--worker-class", "uvicorn_worker.UvicornWorker",
    ],
    "gunicorn with its own worker": ["-m", "gunicorn", "service:application", "--bind", AT, "--worker-class", "asgi"],
}  # fmt: skip

ELSEWHERE = {"an unknown encoding", "gzip of many records"}
"""One is refused by some servers themselves; the other, decompressed, is more than this service takes."""
LATER = {"hypercorn", "gunicorn with uvicorn's worker"}
EACH = [pytest.param(name, marks=pytest.mark.slow if name in LATER else ()) for name in COMMANDS]


@pytest.fixture(params=EACH)
def server(request: pytest.FixtureRequest, tmp_path: Path, plugin: Path) -> Callable[[str], Server]:
    """Starts the service of a model under one of the servers."""
    command = COMMANDS[request.param]
    needed = "uvicorn_worker" if "uvicorn_worker.UvicornWorker" in command else command[1]
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    (tmp_path / "service.py").write_text(APPLICATION)

    def start(text: str) -> Server:
        (tmp_path / "track.fake").write_text(text)
        port = free_port()
        arguments = [sys.executable, *(part.format(port=port) for part in command)]
        path = os.pathsep.join([str(tmp_path), str(ROOT), str(plugin)])
        return Server.run(arguments, port, tmp_path, ready=False, environ={"PYTHONPATH": path})

    return start


def test_a_foreign_server_answers_predictions_pages_and_probes(server: Callable[[str], Server]) -> None:
    with server("track") as running:
        wait_until(lambda: running.readiness()[0] == 200, "it is ready", 60)
        assert running.predict(TRACK, request_id="abc").headers["request-id"] == "abc"
        assert running.predict(TRACK).json() == {"prediction": 123.0}
        assert running.predict([TRACK, {**TRACK, "tempo": 666}]).headers["modelport-errors"] == "1"
        assert running.ask("GET", "/livez").json() == {"status": "ok"}
        assert b"swagger-ui" in running.ask("GET", "/docs").body
        assert running.ask("GET", "/openapi.json").json()["openapi"].startswith("3.1")
        assert running.ask("GET", "/models").json()["models"][0]["state"] == "ready"
        assert running.ask("HEAD", "/predict").status == 405
        assert_error_body(running.ask("GET", "/nothing").body)
        assert running.ask("POST", "/predict", GOOD.ljust(100_001)).status == 413
        for case in CASES:
            if len(case.body) < 100_000 and case.name not in ELSEWHERE:
                headers = {name.replace("-", "_"): value or "" for name, value in case.headers.items()}
                answer = running.ask("POST", "/predict", case.body, **headers)
                assert answer.status == case.status, case.name
                assert case.status == 200 or assert_error_body(answer.body)
        assert running.predict(TRACK).status == 200


def test_a_foreign_server_answers_probes_while_the_model_loads_and_while_it_works(
    server: Callable[[str], Server], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with server(f"slow-to-load {gate}") as running:
        wait_until(lambda: running.readiness()[0] != 0, "it listens", 60)
        status, body = running.readiness()
        assert (status, body["state"]) == (503, "loading")
        assert running.ask("GET", "/livez").status == 200
        assert running.predict(TRACK).status == 503
        gate.touch()
        wait_until(lambda: running.readiness()[0] == 200, "it is ready")
        assert running.predict(TRACK).status == 200


def test_a_foreign_server_logs_why_a_model_cannot_be_served(server: Callable[[str], Server]) -> None:
    with server("fails-to-load") as running:
        wait_until(lambda: running.readiness()[1].get("state") == "failed", "it has failed", 60)
        assert running.ask("GET", "/livez").status == 200
        assert "the model is not" in running.stderr

"""Routes and mounted applications that call the models beside them, saved ones and ones in Python, in real processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.process.server import Server

APP = Path(__file__).parent / "apps" / "together.py"
FAST = {"tempo": 150.0, "loudness": 0.9}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service, beside its model file."""
    folder = tmp_path_factory.mktemp("together")
    shutil.copy(APP, folder)
    rows = pd.DataFrame({"tempo": [60.0, 70.0, 150.0, 160.0], "loudness": [0.1, 0.2, 0.8, 0.9]})
    joblib.dump(LogisticRegression().fit(rows, ["ballad", "ballad", "rock", "rock"]), folder / "genre.joblib")
    server = Server.start(folder / APP.name, "--workers", 1, "--standby", "off", folder=folder)
    yield server
    assert server.stop() == 0


def ask(server: Server, path: str, song: dict[str, float]) -> tuple[int, object]:
    """A route with a song as its body."""
    answer = server.ask("POST", path, json.dumps(song).encode())
    return answer.status, answer.json()


def test_a_route_asks_a_saved_model_and_one_in_python_at_once(together: Server) -> None:
    assert ask(together, "/recommend", FAST) == (200, {"genre": "rock", "mood": "lively"})
    assert ask(together, "/recommend", {"tempo": 60.0, "loudness": 0.1}) == (200, {"genre": "ballad", "mood": "calm"})


@pytest.mark.parametrize("path", ["/recommend", "/grouped"])
def test_a_failed_branch_that_no_route_handles_names_itself_and_nothing_else(together: Server, path: str) -> None:
    status, answer = ask(together, path, {"tempo": -1.0, "loudness": 0.0})
    assert status == 500
    assert isinstance(answer, dict)
    (problem,) = answer["detail"]
    assert (problem["loc"], problem["type"]) == (["model", "mood"], "model_failed")
    assert "secret" not in json.dumps(answer)
    assert "secret of the house" in together.stderr


def test_a_plain_route_and_a_mounted_flask_application_ask_the_same_model(together: Server) -> None:
    assert together.ask("GET", "/plain?tempo=150").json() == "lively"
    answer = together.ask("GET", "/legacy/mood?tempo=60")
    assert (answer.status, answer.body) == (200, b"calm, True")


def test_the_models_that_a_route_asks_keep_to_its_deadline(together: Server) -> None:
    answer = together.ask("GET", "/wait?seconds=30", request_timeout="0.3")
    assert answer.status == 504
    (problem,) = answer.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["model", "slow"], "deadline_exceeded")
    assert together.ask("GET", "/wait?seconds=0").json() == 0.0


def test_a_route_knows_how_long_its_caller_waits_and_under_which_id(together: Server) -> None:
    told = together.ask("GET", "/context", request_timeout="7", request_id="abc").json()
    assert told["request_id"] == "abc"
    assert 6 < told["left"] <= 7


def test_the_banner_has_the_models_the_routes_and_what_is_mounted(together: Server) -> None:
    assert "genre from genre.joblib" in together.stdout
    assert "mounted  /legacy flask application (WSGI)" in together.stdout
    assert "routes   5" in together.stdout

"""Saved models in a Python service: several beside one another, each in its own form and place, in real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from modelport.assembly import inspect_service
from modelport.config import OPTION_NAMES, refuse_for_service, resolve
from modelport.errors import SetupError
from modelport.service import SavedOptions
from tests.process.engine import Served, serve, until, write_app

MODELS = """
double = service.model("double", "files/double.joblib", features=["x"], executor="inline", no_compile=True)
triple = service.model("triple", "files/triple.joblib", features="x", no_compile=True)

@service.model("plus")
def plus(x: float) -> float:
    return x + 1
"""


def save(factor: float, path: Path) -> None:
    """A model that multiplies its only input."""
    path.parent.mkdir(exist_ok=True)
    rows = np.array([[1.0], [2.0], [3.0]])
    joblib.dump(LinearRegression(fit_intercept=False).fit(rows, rows[:, 0] * factor), path)


def answer(served: Served, model: str, x: float) -> float:
    """What a model makes of a number."""
    found = served.predict({"x": x}, model).json
    return round(float(found["prediction"] if isinstance(found, dict) else found), 6)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two saved models and one in Python, served from another folder than theirs."""
    folder = tmp_path_factory.mktemp("several")
    save(2, folder / "files" / "double.joblib")
    save(3, folder / "files" / "triple.joblib")
    with serve(write_app(folder, MODELS), "--workers", "1", "--standby", "off") as running:
        yield running


def test_each_model_answers_by_its_own_file(served: Served) -> None:
    assert [answer(served, model, 7) for model in ("double", "triple", "plus")] == [14, 21, 8]


def test_each_model_runs_where_its_own_rule_or_option_says(served: Served) -> None:
    told = {model["name"]: model["executor"] for model in served.get("/models").json["models"]}
    assert told == {"double": "inline", "triple": "process", "plus": "process"}
    assert len(served.children("holder")) == 2


def test_the_banner_names_the_file_of_each_model(served: Served) -> None:
    for line in ("double from double.joblib", "triple from triple.joblib", "plus from app.py"):
        assert f"    model    {line}: " in served.text()


def test_the_openapi_document_describes_each_model(served: Served) -> None:
    paths = served.get("/openapi.json").json["paths"]
    assert {f"/models/{name}/predict" for name in ("double", "triple", "plus")} <= paths.keys()


@pytest.mark.slow
def test_a_reload_brings_new_files_and_new_models_and_takes_old_ones(tmp_path: Path) -> None:
    save(2, tmp_path / "files" / "double.joblib")
    save(3, tmp_path / "files" / "triple.joblib")
    app = write_app(tmp_path, MODELS)
    with serve(app, "--workers", "1", "--standby", "off") as served:
        assert [answer(served, model, 7) for model in ("double", "triple", "plus")] == [14, 21, 8]
        save(20, tmp_path / "files" / "double.joblib")
        save(30, tmp_path / "files" / "triple.joblib")
        lines = MODELS.replace('executor="inline", ', "").replace('"plus"', '"more"')
        write_app(tmp_path, lines + 'service.model("again", "files/double.joblib", executor="inline", features="x")\n')
        (old,) = served.children("worker")
        served.signal(signal.SIGHUP)
        until(lambda: old not in served.children("worker"), 40, served.text)
        assert [answer(served, model, 7) for model in ("double", "triple", "more", "again")] == [140, 210, 8, 140]
        assert served.predict({"x": 1}, "plus").status == 404


@pytest.mark.slow
def test_a_reload_with_a_broken_file_leaves_everything_as_it_was(tmp_path: Path) -> None:
    save(2, tmp_path / "files" / "double.joblib")
    save(3, tmp_path / "files" / "triple.joblib")
    with serve(write_app(tmp_path, MODELS), "--workers", "1", "--standby", "off") as served:
        (tmp_path / "files" / "double.joblib").write_bytes(b"\x80\x04 this is no model")
        served.signal(signal.SIGHUP)
        served.wait_for("what served before goes on", 40)
        assert [answer(served, model, 7) for model in ("double", "triple", "plus")] == [14, 21, 8]
        save(5, tmp_path / "files" / "double.joblib")
        served.signal(signal.SIGHUP)
        until(lambda: answer(served, "double", 7) == 35, 40, served.text)


def test_a_file_that_is_missing_is_named_with_file_and_line_of_its_declaration(tmp_path: Path) -> None:
    app = write_app(tmp_path, 'genre = service.model("genre", "genre.joblib")\n')
    with serve(app, "--workers", "1", ready=False) as served:
        assert served.process.wait(30) == 2
        assert f"{app}:4: the model file {tmp_path / 'genre.joblib'} does not exist" in served.text()


def test_inspect_shows_every_model_of_a_file(tmp_path: Path) -> None:
    save(2, tmp_path / "files" / "double.joblib")
    save(3, tmp_path / "files" / "triple.joblib")
    command = [sys.executable, "-m", "modelport", "inspect", str(write_app(tmp_path, MODELS)), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path.parent)
    double, triple, plus = json.loads(done.stdout)["models"]
    assert [model["name"] for model in (double, triple, plus)] == ["double", "triple", "plus"]
    assert [each["name"] for each in double["inputs"]] == ["x"]
    assert plus["body"]["properties"].keys() == {"x"}
    assert plus["declared"].endswith("app.py:8")


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        (
            'service.model("a", "a.joblib", dta="x.csv")',
            "app.py:4: dta is not an option of a saved model; did you mean data?",
        ),
        (
            'service.model("a", "files/a.joblib", executor="thread")',
            "app.py:4: executor wants auto, inline or process here",
        ),
        ('service.model("a", "files/a.joblib", data="x.csv")', "/x.csv does not exist"),
        ('service.model("a", "files/a.joblib", queue_rows=0)', "app.py:4: queue_rows wants a whole number from 1"),
        ('service.model("a/b", "files/a.joblib")', "app.py:4: a model wants a name without"),
        (
            'service.model("a", "files/a.joblib"); service.model("a", "files/a.joblib")',
            "called 'a' is declared already",
        ),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said_with_its_place(
    tmp_path: Path, declaration: str, complaint: str
) -> None:
    save(2, tmp_path / "files" / "a.joblib")
    with pytest.raises(SetupError) as raised:
        inspect_service(str(write_app(tmp_path, declaration + "\n")), resolve({}, {}, tmp_path))
    assert complaint in str(raised.value)


@pytest.mark.parametrize("said", [{"data": "x.csv"}, {"target": "y"}, {"name": "z"}, {"executor": "inline"}])
def test_options_of_one_model_are_refused_beside_a_file_that_declares_several(said: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="say it there"):
        refuse_for_service("app.py", resolve(said, {}, Path("/nowhere")))


def test_every_option_of_a_saved_model_is_one_of_the_command_line() -> None:
    assert set(SavedOptions.__annotations__) <= set(OPTION_NAMES)

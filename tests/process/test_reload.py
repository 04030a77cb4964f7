"""`--reload`: an edit is served on its own, and what it does not concern stays loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.process.engine import Served, serve, until, write_app
from tests.process.test_several_models import save

FLAGS = ("--reload", "--workers", "1", "--standby", "off")
APP = """
    import helper

    @service.model("steady")
    class Steady:
        def load(self):
            with open("loads", "a") as log:
                log.write("steady ")
            self.words = pathlib.Path("words.txt").read_text() if os.path.exists("words.txt") else ""

        def predict(self, seconds: float) -> str:
            pathlib.Path("begun").touch()
            time.sleep(seconds)
            return f"{os.getpid()} {self.words}"

    @service.model("edited")
    def edited(x: int) -> int:
        return x + helper.STEP

    @service.get("/version")
    async def version() -> int:
        return 1
"""


SAVED = (
    """
    double = service.model("double", "files/double.joblib", features="x", executor="inline", no_compile=True)
    triple = service.model("triple", "files/triple.joblib", features="x", no_compile=True)

    @service.model("twice")
    async def twice(x: float) -> float:
        return float(round((await double(x=x))["prediction"]))
"""
    + APP
)


def write(folder: Path, text: str = APP) -> Path:
    """The service, and the module beside it."""
    if not (folder / "helper.py").exists():
        (folder / "helper.py").write_text("STEP = 1\n")
    return write_app(folder, text)


def save_over(path: Path, text: str) -> None:
    """As editors do: the new file is written beside, and takes the name of the old one."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def loads(folder: Path) -> int:
    """How often the steady model has been loaded."""
    return (folder / "loads").read_text().count("steady")


def version(served: Served) -> bytes:
    """What the route answers."""
    return served.get("/version").body


def test_an_edit_of_a_route_is_served_and_no_model_is_loaded_again(tmp_path: Path) -> None:
    app = write(tmp_path)
    with serve(app, *FLAGS) as served:
        before = set(served.children("holder"))
        running = served.predict_later({"seconds": 1.5}, "steady")
        until((tmp_path / "begun").exists, 5)
        write(tmp_path, APP.replace("return 1\n", "return 2\n"))
        until(lambda: version(served) == b"2", 20, served.text)
        log = served.wait_for("kept as loaded: steady, edited")
        assert re.search(r"reloaded in \d+\.\d s: the routes; kept", log), log
        assert "app.py changed" in log
        assert running.result().status == 200
        assert set(served.children("holder")) == before
        assert loads(tmp_path) == 1


@pytest.mark.slow
def test_an_edit_of_a_model_or_of_what_it_imports_loads_that_model_alone(tmp_path: Path) -> None:
    app = write(tmp_path)
    with serve(app, *FLAGS) as served:
        write(tmp_path, APP.replace("x + helper.STEP", "x + 10 * helper.STEP"))
        until(lambda: served.predict({"x": 1}, "edited").body == b"11", 20, served.text)
        served.wait_for("the model edited; kept as loaded: steady")
        save_over(tmp_path / "helper.py", "STEP = 2\n")
        until(lambda: served.predict({"x": 1}, "edited").body == b"21", 20, served.text)
        assert loads(tmp_path) == 1


@pytest.mark.slow
def test_a_mistake_leaves_the_old_code_serving_names_its_line_and_the_next_good_save_is_served(tmp_path: Path) -> None:
    app = write(tmp_path)
    with serve(app, *FLAGS) as served:
        broken = app.read_text().replace("return 1\n", "return (1\n")
        save_over(app, broken)
        line = broken.splitlines().index("    return (1") + 1
        served.wait_for(f"loading failed: SyntaxError: '(' was never closed, at app.py:{line}", 20)
        served.wait_for("what served before goes on")
        assert version(served) == b"1"
        save_over(app, broken.replace("return (1\n", "return 3\n"))
        until(lambda: version(served) == b"3", 20, served.text)
        assert loads(tmp_path) == 1


@pytest.mark.slow
def test_a_module_that_is_missing_is_served_once_it_is_there(tmp_path: Path) -> None:
    app = write(tmp_path)
    with serve(app, *FLAGS) as served:
        save_over(
            app,
            app.read_text().replace("import helper", "import helper, later").replace("return 1\n", "return later.N\n"),
        )
        served.wait_for("No module named 'later'", 20)
        assert version(served) == b"1"
        (tmp_path / "later.py").write_text("N = 4\n")
        until(lambda: version(served) == b"4", 20, served.text)


@pytest.mark.slow
def test_a_data_file_that_a_model_has_read_loads_that_model_alone(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("old")
    with serve(write(tmp_path), *FLAGS) as served:
        workers = served.children("worker")
        save_over(tmp_path / "words.txt", "new")
        until(lambda: served.predict({"seconds": 0}, "steady").body.endswith(b' new"'), 20, served.text)
        served.wait_for("the model steady; kept as loaded: edited")
        assert served.children("worker") == workers


@pytest.mark.slow
def test_a_saved_model_is_read_anew_with_its_file_and_so_is_who_calls_it(tmp_path: Path) -> None:
    save(2.0, tmp_path / "files" / "double.joblib")
    save(3.0, tmp_path / "files" / "triple.joblib")
    app = write(tmp_path, SAVED)
    with serve(app, *FLAGS) as served:
        holders = set(served.children("holder"))
        save(5.0, tmp_path / "files" / "double.joblib")
        until(lambda: served.predict({"x": 1.0}, "twice").body == b"5.0", 30, served.text)
        served.wait_for("the routes and the models double, twice; kept as loaded: triple, steady")
        until(lambda: round(served.predict({"x": 1.0}, "double").json["prediction"]) == 5, 10)
        assert len(holders & set(served.children("holder"))) == 3  # of triple, steady and edited
        assert loads(tmp_path) == 1


@pytest.mark.slow
def test_a_saved_model_alone_is_read_anew_with_its_file(tmp_path: Path) -> None:
    save(2.0, tmp_path / "double.joblib")
    with serve(tmp_path / "double.joblib", *FLAGS, "--features", "x", "--no-compile") as served:
        save(5.0, tmp_path / "double.joblib")
        until(lambda: round(served.predict({"x": 1.0}).json["prediction"]) == 5, 30, served.text)
        served.wait_for("reloaded in")


@pytest.mark.slow
def test_a_save_that_changes_nothing_keeps_everything(tmp_path: Path) -> None:
    app = write(tmp_path)
    with serve(app, *FLAGS) as served:
        before = served.children()
        save_over(app, "# a comment\n" + app.read_text())
        served.wait_for("nothing that is served has changed", 20)
        until(lambda: served.children() == before, 10)
        assert loads(tmp_path) == 1

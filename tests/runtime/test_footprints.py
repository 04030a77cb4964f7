"""What an edit concerns: which models rest on which statements and files."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from modelport.assembly import sources
from modelport.assembly.footprints import Footprints, take_footprints
from modelport.assembly.handlers import import_service

APP = """
    import math
    import numpy as np
    from pydantic import BaseModel
    from helper import scale
    import registry
    from modelport import Service

    service = Service("songs", lifespan=None)
    genre = service.model("genre", "genre.joblib")
    np.random.seed(0)
    FACTOR = 2.0
    words = {"a": 1}
    words["b"] = 2

    class Song(BaseModel):
        tempo: float

    class Mood(BaseModel):
        word: str

    @service.model("mood")
    class MoodModel:
        def load(self):
            self.words = words

        def predict(self, song: Song) -> Mood:
            return Mood(word="lively" if song.tempo * FACTOR > 100 else "calm")

    @service.model("scaled")
    def scaled(x: float) -> float:
        route = scale(x)
        return route

    @service.model("asks")
    async def asks(song: Song) -> str:
        return (await service["mood"](song)).word + str(await genre(song))

    @service.get("/")
    async def route() -> float:
        return FACTOR_OF_ROUTES

    FACTOR_OF_ROUTES = 1
    service.mount("/x", lambda environ, start: [])

    if __name__ == "__main__":
        print("not served")
"""
HELPER = """
    from inner import two

    def scale(x):
        return x * two()

    def unused():
        return 0
"""
INNER = "def two():\n    return 2\n"
REGISTRY = "KNOWN = {}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the service lies. What was imported from it, and where it was found, is forgotten."""
    found = sources.users_modules  # the tests' own modules are among them, and many

    def only_here() -> dict[str, ModuleType]:
        return {path: module for path, module in found().items() if path.startswith(str(tmp_path))}

    monkeypatch.setattr(sources, "users_modules", only_here)
    paths, modules = list(sys.path), set(sys.modules)
    for name, text in {"app": APP, "helper": HELPER, "inner": INNER, "registry": REGISTRY}.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    yield tmp_path
    forget(modules)
    sys.path[:] = paths


def forget(before: set[str]) -> None:
    """What was imported since."""
    for name in set(sys.modules) - before:
        if name in ("app", "helper", "inner", "registry"):
            del sys.modules[name]


def take(folder: Path) -> Footprints:
    """Of the service as it is on disk."""
    forget({name for name in sys.modules if name not in ("app", "helper", "inner", "registry")})
    return take_footprints(import_service(str(folder / "app.py")), 2**62)


@pytest.mark.parametrize(
    ("file", "old", "new", "concerned"),
    [
        ("app", "return FACTOR_OF_ROUTES", "return 3", set()),
        ("app", "FACTOR_OF_ROUTES = 1", "FACTOR_OF_ROUTES = 4", set()),
        ("app", 'service.mount("/x"', 'service.mount("/y"', set()),
        ("app", "lifespan=None", "lifespan=None, dependencies=()", set()),
        ("app", "not served", "still not", set()),
        ("app", "FACTOR = 2.0", "FACTOR = 3.0", {"mood"}),
        ("app", 'words["b"] = 2', 'words["b"] = 3', {"mood"}),
        ("app", "self.words = words", "self.words = dict(words)", {"mood"}),
        ("app", "song.tempo * FACTOR", "song.tempo + FACTOR", {"mood"}),
        ("app", "tempo: float", "tempo: float = 1.0", {"mood", "asks"}),
        ("app", "word: str", "word: str = ''", {"mood", "asks"}),
        ("app", '"mood")', '"mood", parallel=2)', {"mood"}),
        ("app", '"genre.joblib"', '"other.joblib"', {"asks"}),
        ("app", "random.seed(0)", "random.seed(1)", {"mood", "scaled", "asks"}),
        ("helper", "x * two()", "x + two()", {"scaled"}),
        ("inner", "return 2", "return 3", {"scaled"}),
        ("registry", "KNOWN = {}", "KNOWN = {1: 2}", {"mood", "scaled", "asks"}),
        ("app", "# nothing", "# nothing", set()),
    ],
)
def test_an_edit_concerns_the_models_that_rest_on_it_and_no_others(
    folder: Path, file: str, old: str, new: str, concerned: set[str]
) -> None:
    before = take(folder)
    path = folder / f"{file}.py"
    text = path.read_text()
    path.write_text(text.replace(old, new) if old != new else "# a comment\n\n" + text)
    after = take(folder)
    assert {name for name in after.models if after.models[name] != before.models[name]} == concerned
    assert (after.whole != before.whole) == (old != new)


def test_models_that_another_calls_are_told(folder: Path) -> None:
    assert take(folder).calls == {"mood": [], "scaled": [], "asks": ["genre", "mood"]}


def test_a_model_whose_code_reaches_for_anything_rests_on_everything(folder: Path) -> None:
    path = folder / "app.py"
    path.write_text(path.read_text().replace("route = scale(x)", "route = globals()['scale'](x)"))
    before = take(folder)
    path.write_text(path.read_text().replace("return FACTOR_OF_ROUTES", "return 3"))
    after = take(folder)
    assert [name for name in after.models if after.models[name] != before.models[name]] == ["scaled"]


def test_every_file_that_was_read_is_told(folder: Path) -> None:
    assert {Path(path).name for path in take(folder).files} == {"app.py", "helper.py", "inner.py", "registry.py"}


def test_what_was_written_during_the_import_is_like_nothing_before(folder: Path) -> None:
    service = import_service(str(folder / "app.py"))
    first, second = take_footprints(service, 0), take_footprints(service, 0)
    assert first.whole != second.whole
    assert first.files[str(folder / "app.py")] == [0, 0]

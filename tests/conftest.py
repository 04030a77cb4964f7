"""What all tests share: the trained music model, a live service of it, and an environment without our options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.fronts.models import install_plugin, write_artifact
from tests.process.server import Server

ROOT = Path(__file__).parent.parent
MUSIC = ROOT / "examples" / "music"

# The same cases on every run, so that a failure is of the change at hand; --hypothesis-profile=explore looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled models are kept for the length of the tests, and apart from the developer's own."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@dataclass(frozen=True)
class Music:
    """The files of the music example."""

    joblib: Path
    onnx: Path
    data: Path


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Music:
    """The music model, trained by its example."""
    folder = tmp_path_factory.mktemp("music")
    command = [sys.executable, str(MUSIC / "train.py"), "--out", str(folder), "--onnx"]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return Music(folder / "genre.joblib", folder / "genre.onnx", MUSIC / "music.csv")


@pytest.fixture(scope="session")
def served_url(music: Music, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a live `modelport serve` of the music model."""
    folder = tmp_path_factory.mktemp("served")
    with Server.start(music.joblib, "--data", music.data, "--target", "genre", "--workers", 1, folder=folder) as server:
        yield server.url


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder from which the loader of `.fake` files is found, by this process and by its children."""
    folder = install_plugin(tmp_path_factory.mktemp("plugin"))
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def fake(plugin: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes an artifact that loads as the fake model of that name, see `tests.fronts.models`."""

    return lambda text, held=False: write_artifact(tmp_path, text, held)


@pytest.fixture(scope="session")
def serve_fake(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """Starts a `modelport serve` of a fake model, in a folder of its own; whoever calls it ends it."""

    def start(text: str, *flags: object, held: bool = False, **more: Any) -> Server:
        folder = tmp_path_factory.mktemp("fake")
        artifact = write_artifact(folder, text, held)
        return Server.start(artifact, *flags, folder=folder, PYTHONPATH=f"{ROOT}{os.pathsep}{plugin}", **more)

    return start


@pytest.fixture(autouse=True)
def _no_options_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own MODELPORT_… variables change no test."""
    for name in [name for name in os.environ if name.startswith("MODELPORT_")]:
        monkeypatch.delenv(name)

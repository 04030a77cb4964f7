"""A bundle of the music model, and a service in Python, to ship."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Music

SERVICE = """
from modelport import Service

service = Service("loudness")


@service.model("loudness", example={"decibel": 20.0})
def loudness(decibel: float) -> float:
    return 10 ** (decibel / 20)
"""


def modelport(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    command = [sys.executable, "-m", "modelport", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="session")
def bundle(music: Music, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled music model."""
    folder = tmp_path_factory.mktemp("shipped")
    built = modelport(
        "build", music.joblib, "--data", music.data, "--target", "genre", "-o", "genre.bundle", folder=folder
    )
    assert built.returncode == 0, built.stderr
    return folder / "genre.bundle"


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service in a folder of its own, with what it needs."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(SERVICE, encoding="utf-8")
    (folder / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    return folder / "app.py"

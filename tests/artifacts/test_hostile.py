"""Hostile files: each is refused by name, and nothing of it runs, is imported, or is read from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.hostile.files import FILES
from tests.artifacts.hostile.watched import CONTROL

pytest.importorskip("sklearn")
for library in ("pandas", "onnxruntime", "xgboost", "lightgbm", "catboost"):
    pytest.importorskip(library)

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
SECONDS = 5.0
"""A file is to be refused within one; a busy machine is given more."""

THROUGH_THE_COMMAND = (
    "os.system",
    "resolve_name",
    "behind an array",
    "a zlib bomb",
    "tensors above",
    "a class of a notebook",
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a process saw that loaded all of them."""
    command = [sys.executable, "-P", "-m", "tests.artifacts.hostile.watched", str(tmp_path_factory.mktemp("hostile"))]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 90


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_with_its_name_and_the_reason(name: str, watched: Any) -> None:
    for load in watched[name]["loads"]:
        assert watched[name]["path"] in load["outcome"][:200]
        assert FILES[name][1] in load["outcome"]
        assert "\n" not in load["outcome"]


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_runs_nothing_and_reads_nothing_else(name: str, watched: Any) -> None:
    assert not watched[name]["canary"]
    assert [load["events"] for load in watched[name]["loads"]] == [[], []]


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_at_once(name: str, watched: Any) -> None:
    assert min(load["seconds"] for load in watched[name]["loads"]) < SECONDS


def test_the_watch_sees_what_runs_where_it_is_allowed(watched: Any) -> None:
    assert watched[CONTROL]["canary"]
    assert all(any(e.startswith("os.system") for e in load["events"]) for load in watched[CONTROL]["loads"])


@pytest.mark.parametrize("name", THROUGH_THE_COMMAND)
@pytest.mark.parametrize("command", ["serve", "inspect"])
def test_the_command_line_says_it_in_one_line(command: str, name: str, tmp_path: Path) -> None:
    write, wanted = FILES[name]
    inside, canary = tmp_path / "inside", tmp_path / "canary"
    inside.mkdir()
    path = write(inside, str(canary))
    port = ["--port", "0"] if command == "serve" else []
    done = subprocess.run(
        [sys.executable, "-P", "-m", "modelport", command, path.name, *port],
        cwd=inside,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"modelport: {path.name}")
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not canary.exists()

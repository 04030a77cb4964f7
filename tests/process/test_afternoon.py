"""A data scientist's afternoon: a model with a class of the notebook, saved, served, called, served anew, and served elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Music
from tests.process.server import Server, child_environment, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ipykernel") is None, reason="ipykernel is not installed"),
]

MODEL = """
import json, urllib.request
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
import modelport

class Drive(BaseEstimator, TransformerMixin):
    def __init__(self, power=2):
        self.power = power

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X.assign(drive=X["energy"] ** self.power * X["beats"])

songs = pd.read_csv("music.csv").dropna()
X = songs[["energy", "danceability"]].assign(beats=songs["tempo"].round().astype(int))
model = make_pipeline(Drive(), RandomForestClassifier(30, random_state=0, n_jobs=-1)).fit(X, songs["genre"])
"""
SAVE = "modelport.save(model, 'genre.bundle', X)"
SERVE = """
handle = modelport.serve("genre.bundle", allow_code=True, port={port}, workers=1, standby="off", drain_delay=0)
body = json.dumps(X.iloc[0].to_dict()).encode()
request = urllib.request.Request(handle.url + "/predict", body, {{"content-type": "application/json"}})
print(json.load(urllib.request.urlopen(request))["prediction"] == model.predict(X.iloc[:1])[0], handle.url)
"""


def in_a_notebook(cells: list[str], folder: Path) -> list[str]:
    """What each cell printed."""
    command = [sys.executable, str(ROOT / "tests" / "docs" / "kernel.py"), *cells]
    done = subprocess.run(
        command, cwd=folder, env=child_environment(), capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    printed: list[str] = json.loads(done.stdout)
    return printed


def test_a_model_of_a_notebook_is_served_there_and_in_a_new_shell_and_bad_calls_are_told_why(
    music: Music, tmp_path: Path
) -> None:
    os.symlink(music.data, tmp_path / "music.csv")
    cell = SERVE.format(port=free_port())
    printed = in_a_notebook([MODEL, SAVE, cell, cell, "handle.stop()"], tmp_path)
    assert printed[1].strip() == "'modelport serve genre.bundle --allow-code'"
    assert printed[2] == printed[3]
    assert printed[2].startswith("True http://127.0.0.1:")
    with Server.start(tmp_path / "genre.bundle", "--allow-code", "--workers", 1, folder=tmp_path) as server:
        described = server.ask("GET", "/models/genre").json()
        good = described.get("example") or pytest.fail(str(described))
        answered = server.predict(good).json()
        names = list(good)
        random.Random(0).shuffle(names)
        assert server.predict({name: good[name] for name in reversed(names)}).json() == answered
        check_bad_calls(server, good)


def check_bad_calls(server: Server, good: dict[str, Any]) -> None:
    """Each is refused with the column's name, what came, and what to send instead."""
    bad: list[tuple[dict[str, Any], str, str]] = [
        ({k: v for k, v in good.items() if k != "beats"}, "beats", "missing"),
        (good | {"bpm": 120}, "bpm", "extra_forbidden"),
        (good | {"beats": None}, "beats", "int_type"),
        (good | {"energy": "high"}, "energy", "float_type"),
    ]
    for record, column, kind in bad:
        answer = server.predict(record)
        (problem,) = answer.json()["detail"]
        assert (answer.status, problem["loc"], problem["type"]) == (422, ["body", column], kind)
        assert problem["hint"]
    form = server.ask("POST", "/predict", b"energy=0.5&beats=120", content_type="application/x-www-form-urlencoded")
    assert form.status == 415
    assert "application/json" in form.json()["detail"][0]["hint"]

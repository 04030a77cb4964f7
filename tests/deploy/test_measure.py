"""What is measured of a service is what it will take in its container."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelport.config import ServeOptions
from modelport.deploy.measure import measure
from modelport.deploy.subject import read_subject
from tests.deploy.conftest import modelport

LARGE_MB = 100
SLOW_TO_LOAD = f"""
import time
from modelport import Service

time.sleep(4)  # longer than it is asked for
held = bytearray(b"x") * {LARGE_MB * 10**6}
service = Service("held")


@service.model("held", example={{"x": 1.0}})
def held_model(x: float) -> float:
    return x
"""
NO_ANSWER = """
from itertools import count

from modelport import Service

calls = count()

service = Service("none")


@service.model("none", example={"x": 1.0})
def fails(x: float) -> float:
    if next(calls):  # the first is the trial at the start
        raise ValueError("no database")
    return x
"""


def shipped(folder: Path, code: str) -> str:
    (folder / "app.py").write_text(code, encoding="utf-8")
    (folder / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    return str(folder / "app.py")


@pytest.mark.slow
def test_a_standby_counts_however_long_it_takes_to_load(tmp_path: Path) -> None:
    subject = read_subject(shipped(tmp_path, SLOW_TO_LOAD), "held")
    found = measure(subject, {}, 1, ServeOptions(), lambda line: None)
    assert found.own_processes == 1
    assert found.idle_bytes > 2 * LARGE_MB * 1e6
    assert (found.rows_per_s["held"] or 0) > 10


@pytest.mark.slow
def test_a_service_whose_examples_are_not_answered_is_told_to_be_unmeasured(tmp_path: Path) -> None:
    said: list[str] = []
    found = measure(read_subject(shipped(tmp_path, NO_ANSWER), "none"), {}, 1, ServeOptions(), said.append)
    assert found.rows_per_s == {"none": None}
    assert any("none of its examples was answered" in line for line in said)


@pytest.mark.slow
def test_a_compiled_model_is_seen_to_run_where_calls_are_read(bundle: Path) -> None:
    found = measure(read_subject(str(bundle)), {}, 1, ServeOptions(), lambda line: None)
    assert (found.inline_models, found.own_processes) == (1, 0)
    assert found.body_factor > 2  # a body as text, and its records


OWN_CLASS = """
import joblib
from mine import Twice

joblib.dump(Twice(), "twice.joblib")
"""
MINE = """
from sklearn.base import BaseEstimator, RegressorMixin


class Twice(RegressorMixin, BaseEstimator):
    n_features_in_ = 1

    def predict(self, X):
        return [2 * float(row[0]) for row in X]

    def __sklearn_is_fitted__(self):
        return True
"""


@pytest.mark.slow
def test_an_option_that_a_model_needs_is_told_as_it_is_said_here(tmp_path: Path) -> None:
    for name, code in (("mine.py", MINE), ("make.py", OWN_CLASS)):
        (tmp_path / name).write_text(code, encoding="utf-8")
    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True)
    built = modelport("build", "twice.joblib", "--allow-pickle", "-o", "twice.bundle", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    done = modelport("ship", "kubernetes", "twice.bundle", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("; here: --env MODELPORT_ALLOW_PICKLE=on")

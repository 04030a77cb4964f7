"""What is measured of a service is what it will take in its container."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelport.config import ServeOptions
from modelport.deploy.measure import measure
from modelport.deploy.subject import read_subject

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

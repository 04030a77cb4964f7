"""The bundled load generator against a server that really answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.compare import generators
from modelport.compare.generators import INSTALLERS, offer
from modelport.compare.histogram import Histogram
from modelport.compare.loadgen import Run, closed_loop, open_loop
from modelport.compare.pool import request_bytes, write_pool
from tests.compare.answering import answering


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server on a port of its own."""
    with answering() as port:
        yield port


def run_on(port: int, path: str, patience_s: float | None = None) -> Run:
    """A run with four connections, or with as many as are wanted where nobody waits for long."""
    connections = 4 if patience_s is None else 64
    return Run(port, [request_bytes("POST", path, b'{"a": 1}', {})], connections, 200, patience_s)


@pytest.mark.parametrize("path", ["/", "/chunked", "/closes"])
def test_every_manner_of_ending_an_answer_is_understood(port: int, path: str) -> None:
    found = open_loop(run_on(port, path), 0.2, rate=200, seed=1)
    assert found["statuses"] == {"200": found["offered"]}
    assert (found["failures"], found["unanswered"]) == ({}, 0)
    assert Histogram(found["answered"]).total == found["offered"] > 0


def test_what_is_refused_is_no_answer_but_counted(port: int) -> None:
    found = open_loop(run_on(port, "/refuses"), 0.2, rate=200, seed=1)
    assert (found["statuses"], found["answered"]) == ({"503": found["offered"]}, [])


def test_a_server_that_hangs_up_is_a_failure_each_time(port: int) -> None:
    found = open_loop(run_on(port, "/hangs-up"), 0.2, rate=100, seed=1)
    assert sum(found["failures"].values()) == found["offered"]


def test_a_closed_loop_asks_as_often_as_it_is_answered(port: int) -> None:
    found = closed_loop(run_on(port, "/"), 0.2)
    assert 0 <= found["sent"] - found["statuses"]["200"] <= 4
    assert 0 <= found["idle_share"] <= 1


def test_nobody_there_is_a_failure_and_no_crash() -> None:
    found = open_loop(run_on(1, "/"), 0.1, rate=50, seed=1)
    assert sum(found["failures"].values()) == found["offered"]


def test_who_has_no_patience_left_hangs_up_and_is_counted(port: int) -> None:
    found = open_loop(run_on(port, "/waits", patience_s=0.05), 0.2, rate=100, seed=1)
    assert found["failures"] == {"deadline": found["offered"]}
    assert (found["statuses"], found["unanswered"]) == ({}, 0)


def test_patience_takes_nothing_from_those_who_are_answered_in_time(port: int) -> None:
    run = run_on(port, "/", patience_s=5.0)
    found = open_loop(run, 0.2, rate=100, seed=1)
    assert found["statuses"] == {"200": found["offered"]}
    assert (run.idle, run.open) == ([], {})  # nobody takes another's connection


def test_what_comes_before_the_count_begins_is_sent_and_not_counted(port: int) -> None:
    found = open_loop(run_on(port, "/"), 0.4, rate=200, seed=1, skip_s=0.2)
    assert found["statuses"] == {"200": found["offered"]}
    assert found["offered"] < found["sent"]
    assert found["seconds"] == pytest.approx(0.2)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
@pytest.mark.parametrize(("path", "status"), [("/", "2xx"), ("/refuses", "5xx")])
def test_wrk_counts_answers_by_their_status(port: int, path: str, status: str, tmp_path: Path) -> None:
    pool = write_pool([request_bytes("POST", path, b"{}", {})], tmp_path / "pool")
    core = max(os.sched_getaffinity(0))
    load, statuses = generators.status_loop(port, pool, connections=2, seconds=1, core=core)
    assert {word for word, count in statuses.items() if count} == {status}
    assert load.generator == "wrk"
    assert load.failures == 0


@pytest.mark.parametrize("installer", [*INSTALLERS, ""])
def test_where_no_known_generator_is_found_the_command_that_installs_one_is_told(
    installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if installer:
        program(tmp_path / installer)
    said = offer()
    assert (INSTALLERS[installer] if installer else "under that name") in said
    assert "bundled generator" in said
    program(tmp_path / "wrk")
    assert offer() == ""


def program(path: Path) -> None:
    """Something that can be found as a program."""
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)

"""What `GET /metrics` and `GET /status` say: clean for the official parser, and true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelport.kernel.meters import EXPIRED, OK, OUTCOMES, QUEUE_FULL, SHED_REASONS
from modelport.observe.memory import memory_bytes
from modelport.observe.metrics import metrics_text, own_version, status_document
from modelport.runtime.shared import SharedBoard

MODELS: list[dict[str, Any]] = [
    {"name": "genre", "index": 0, "state": "ready", "ready": True, "version": "abc", "executor": "process"},
    {"name": 'odd "name"\\', "index": 2, "state": "loading", "ready": False, "version": "", "executor": ""},
]

NAMES = {
    "modelport_requests": "counter",
    "modelport_shed": "counter",
    "modelport_stream_items": "counter",
    "modelport_request_seconds": "histogram",
    "modelport_queue_seconds": "histogram",
    "modelport_batch_rows": "histogram",
    "modelport_model_seconds": "histogram",
    "modelport_waiting_rows": "gauge",
    "modelport_waiting_bytes": "gauge",
    "modelport_running_batches": "gauge",
    "modelport_models": "gauge",
    "modelport_models_ready": "gauge",
    "modelport_restarts": "counter",
    "modelport_process_memory_bytes": "gauge",
    "modelport_info": "gauge",
}


@pytest.fixture
def board() -> Iterator[SharedBoard]:
    """Three requests of one model in two slots, one of them refused."""
    board = SharedBoard.create(slots=3, models=3)
    board.claim(0, "worker")
    for slot in (0, 1):
        recorder = board.recorder(slot, 0)
        recorder.request(OK, 0.004)
        recorder.batch(3, [0.01, 0.03], 0.02)
    board.claim(1, "holder", model=0)
    recorder.request(EXPIRED, 2.0)
    recorder.shed(QUEUE_FULL)
    recorder.items(3)
    recorder.waiting(7, 700)
    recorder.running(1)
    board.count_restart("holder", 0)
    yield board
    board.close()


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def value(text: bytes, name: str, **labels: str) -> float:
    return samples(text)[name, tuple(sorted(labels.items()))]


def test_the_official_parser_reads_every_metric_under_its_name(board: SharedBoard) -> None:
    families = text_string_to_metric_families(metrics_text(board, MODELS).decode())
    assert {family.name: family.type for family in families} == NAMES


def test_every_model_has_every_outcome_and_reason_from_the_start(board: SharedBoard) -> None:
    """A rate over a counter that springs into being misses its first event."""
    found = samples(metrics_text(board, MODELS))
    expected = {("outcome", outcome) for outcome in OUTCOMES} | {("reason", reason) for reason in SHED_REASONS}
    for model in MODELS:
        labels = [pairs for _, pairs in found if ("model", model["name"]) in pairs]
        assert expected <= {pair for pairs in labels for pair in pairs}


def test_counters_are_summed_over_all_slots(board: SharedBoard) -> None:
    text = metrics_text(board, MODELS)
    assert value(text, "modelport_requests_total", model="genre", outcome="ok") == 2
    assert value(text, "modelport_requests_total", model="genre", outcome="expired") == 1
    assert value(text, "modelport_shed_total", model="genre", reason="queue_full") == 1
    assert value(text, "modelport_stream_items_total", model="genre") == 3
    assert value(text, "modelport_restarts_total", process="holder") == 1
    assert value(text, "modelport_restarts_total", process="worker") == 0


def test_histograms_are_cumulative_and_their_last_bucket_is_their_count(board: SharedBoard) -> None:
    text = metrics_text(board, MODELS)
    name = "modelport_request_seconds"
    assert value(text, f"{name}_bucket", model="genre", le="0.002") == 0
    assert value(text, f"{name}_bucket", model="genre", le="0.005") == 2
    assert value(text, f"{name}_bucket", model="genre", le="+Inf") == value(text, f"{name}_count", model="genre") == 3
    assert value(text, f"{name}_sum", model="genre") == pytest.approx(2.008)
    assert value(text, "modelport_batch_rows_sum", model="genre") == 6
    assert value(text, "modelport_queue_seconds_count", model="genre") == 4


def test_gauges_tell_what_is_now(board: SharedBoard) -> None:
    text = metrics_text(board, MODELS)
    assert value(text, "modelport_waiting_rows", model="genre") == 7
    assert value(text, "modelport_waiting_bytes", model="genre") == 700
    assert value(text, "modelport_running_batches", model="genre") == 1
    assert value(text, "modelport_models") == 2
    assert value(text, "modelport_models_ready") == 1
    assert value(text, "modelport_info", version=own_version()) == 1
    assert value(text, "modelport_process_memory_bytes", process="worker", pid=str(os.getpid())) > 2**20


def test_nothing_at_all_is_still_a_clean_document(board: SharedBoard) -> None:
    assert value(metrics_text(board, []), "modelport_models_ready") == 0
    assert status_document(board, [])["models"] == []


def test_the_status_says_the_same_for_people(board: SharedBoard) -> None:
    document = status_document(board, MODELS)
    assert json.loads(json.dumps(document)) == document
    genre = document["models"][0]
    assert (genre["name"], genre["state"], genre["version"], genre["executor"]) == ("genre", "ready", "abc", "process")
    assert (genre["waiting_rows"], genre["running_batches"], genre["restarts"]) == (7, 1, 1)
    assert (genre["batches"], genre["mean_batch_rows"]) == (2, 3.0)
    assert genre["stream_items"] == 3
    assert genre["requests"]["ok"] == 2
    assert 0.002 <= genre["request_seconds"]["p50"] <= 0.005
    assert 1 <= genre["request_seconds"]["p99"] <= 2


def test_a_model_that_was_never_asked_has_no_times(board: SharedBoard) -> None:
    unasked = status_document(board, MODELS)["models"][1]
    assert unasked["mean_batch_rows"] is None
    assert unasked["request_seconds"] == {"p50": None, "p99": None}


def test_the_status_lists_every_process(board: SharedBoard) -> None:
    worker, holder = status_document(board, MODELS)["processes"]
    assert (worker["role"], holder["role"], holder["model"]) == ("worker", "holder", "genre")
    assert worker["pid"] == os.getpid()
    assert worker["memory_bytes"] > 2**20
    assert worker["uptime_seconds"] >= 0


# -- memory --------------------------------------------------------------------------------------------------------


def make_process(proc: Path, **files: str) -> None:
    (proc / "7").mkdir()
    for name, text in files.items():
        (proc / "7" / name).write_text(text)


def test_memory_is_what_is_shared_counted_in_parts(tmp_path: Path) -> None:
    make_process(tmp_path, smaps_rollup="0-1 [rollup]\nRss: 9 kB\nPss:  3 kB\nPss_Anon: 1 kB\n", statm="9 9 9")
    assert memory_bytes(7, tmp_path) == 3 * 1024


def test_where_that_is_not_told_it_is_the_resident_size(tmp_path: Path) -> None:
    make_process(tmp_path, statm="100 9 1 1 0 1 0\n")
    assert memory_bytes(7, tmp_path) == 9 * os.sysconf("SC_PAGE_SIZE")


def test_a_process_that_is_gone_has_none(tmp_path: Path) -> None:
    assert memory_bytes(7, tmp_path) is None


def test_a_process_that_nobody_scrapes_does_not_import_the_library() -> None:
    code = "import sys, modelport.observe.metrics; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""`modelport compare` from the command line to the report, as thin as it gets; no number of it is judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modelport.compare.baseline import changes
from modelport.compare.results import read_results

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compare needs Linux"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="compare needs two cores"),
]

THIN = ("--rounds", "2", "--seconds", "1", "--quick")


def command(*arguments: str) -> list[str]:
    """The command line of a thin run."""
    return [sys.executable, "-m", "modelport", "compare", *THIN, *arguments]


def test_a_run_writes_a_report_code_that_starts_and_results_that_can_be_a_baseline(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "report"
    done = subprocess.run(command("--only", "fastapi", "--out", str(out)), capture_output=True, text=True, check=False)
    if "pip install" in done.stderr and done.returncode == 2:
        pytest.skip("the contestant's packages cannot be installed here")
    assert done.returncode == 0, done.stderr
    results = read_results(out / "results.json")
    assert results.complete
    assert {m.contestant for m in results.measurements} == {"fastapi", "modelport"}
    assert all(m.errors < m.answers for m in results.measurements)  # on a busy machine some come after a load has ended
    assert "<h2>Capacity</h2>" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "contestants" / "fastapi" / "app.py").exists()
    assert not any(change.is_regression for change in changes(results, results))


def test_an_interrupted_run_leaves_a_valid_partial_report(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "report"
    running = subprocess.Popen(
        command("--only", "modelport", "--rounds", "50", "--out", str(out)), stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "50 rounds" in line:
            running.send_signal(signal.SIGINT)
            break
    _, rest = running.communicate()
    assert running.returncode == 130, rest
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["complete"] is False
    assert "This run was interrupted" in (out / "report.html").read_text(encoding="utf-8")


HARD = "start,invalid,slow-clients,overload,leaving-clients,memory"


@pytest.mark.timeout(1800)
def test_every_case_that_is_no_load_is_measured_of_a_server_of_others_and_of_ours(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "report"
    names = ("flask", "modelport")
    done = subprocess.run(
        command("--rounds", "1", "--only", ",".join(names), "--cases", HARD, "--out", str(out)),
        capture_output=True,
        text=True,
        check=False,
    )
    if "pip install" in done.stderr and done.returncode == 2:
        pytest.skip("the contestant's packages cannot be installed here")
    assert done.returncode == 0, done.stderr
    results = read_results(out / "results.json")
    assert (results.complete, results.failed) == (True, {})
    told = {(o.contestant, o.case): o.values for o in results.observations}
    assert len(told) == len(results.observations) == 2 * 4
    assert told["modelport", "invalid"]["refused"] == 1
    assert told["flask", "invalid"]["faults"] > 0  # nothing is validated there
    assert told["modelport", "leaving-clients"]["left_per_s"] > 10
    assert told["modelport", "overload"]["capacity_per_s"] > 20
    held = {(w.contestant, w.what, w.count): w.held for w in results.weights}
    assert held["modelport", "in flight", 1024] == held["modelport", "open", 1024] == 1024
    assert (
        held["flask", "open", 1024] < 16
    )  # its sync workers keep no connection, but for those that they are just closing
    assert {w.count for w in results.weights if w.what == "workers"} == {1, 2, 4}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "When things go wrong" in page
    assert "Memory against concurrency" in page


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "report"
    options = ("--only", "modelport", "--rounds", "3", "--out", str(out))
    running = subprocess.Popen(command(*options), stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "round 2 of 3" in line:
            running.send_signal(signal.SIGINT)
            break
    running.communicate()
    assert running.returncode == 130
    first = read_results(out / "results.json")
    assert not first.complete
    assert first.done == [[0, "modelport"]]
    done = subprocess.run(command(*options, "--resume"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = read_results(out / "results.json")
    assert whole.complete
    assert whole.starts[0] == first.starts[0]
    assert sorted(start.round for start in whole.starts) == [0, 1, 2]
    assert len({m.rate for m in whole.measurements}) == len(whole.measurements) // 3

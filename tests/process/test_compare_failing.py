"""A contestant that answers wrongly, or dies: it is told of that one, and the others are measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from modelport.compare.cases import Case, select
from modelport.compare.comparison import Setting, Teller
from modelport.compare.contestants import Contestant
from modelport.compare.generation import Entry
from modelport.compare.machine import Cores
from modelport.compare.plan import Plan
from modelport.compare.results import Results
from modelport.compare.run import run
from modelport.compare.subject import Subject
from modelport.compare.trial import Trial, check
from modelport.errors import SetupError
from tests.compare.fixed import about

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compare needs Linux"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="compare needs two cores"),
]

SERVER = """
import itertools, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, FAILS, FROM = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
NUMBERS = itertools.count(1)
if FAILS == "dies when it is started again":
    FAILS = "dies" if os.path.exists("started") else "never"
    open("started", "w").close()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        late = next(NUMBERS) > FROM
        if late and FAILS == "dies":
            os._exit(3)
        if late and FAILS == "hangs up":
            self.close_connection = True
            return
        self.send_response(500 if late and FAILS == "refuses" else 200)
        body = b'{"prediction": 1.0}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""
FIELD = {"name": "x", "type": "float", "nullable": False}
DESCRIBED: dict[str, Any] = {"inputs": [FIELD], "outputs": [{"name": "y", "type": "float"}], "version": "1"}
SUBJECT = Subject("m", Path("/m.joblib"), DESCRIBED, tuple({"x": float(n)} for n in range(4)), (), ())
CORES = Cores((min(os.sched_getaffinity(0)),), max(os.sched_getaffinity(0)))
PLAN = Plan(1, 1.0, 1.0, 0.3, rates=1, work_rates=1, slots=4, cores=CORES)
ONE_ROW = select(["one-row"])


def trial(tmp_path: Path, name: str, fails: str, after: int, cases: tuple[Case, ...] = ONE_ROW) -> Trial:
    """A contestant that answers rightly so many times, and then fails."""
    contestant = Contestant(name, name, "", "4: threads", "", "", ())
    folder = tmp_path / name
    folder.mkdir()
    (folder / "server.py").write_text(SERVER)
    entry = Entry(contestant, folder, (sys.executable, "server.py", "{port}", fails, str(after)), "4: threads")
    return Trial(entry, SUBJECT, cases, PLAN, tmp_path)


def test_answers_that_are_wrong_alike_are_not_taken_for_right(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"bad answers request 0 of one row with status 500: .*prediction"):
        check(trial(tmp_path, "bad", "refuses", after=1), {}, {})


@pytest.mark.parametrize("fails", ["dies", "hangs up", "refuses"])
def test_who_fails_while_it_is_checked_takes_no_part_and_the_others_are_measured(tmp_path: Path, fails: str) -> None:
    said: list[str] = []
    results = measured([trial(tmp_path, "bad", fails, after=3), trial(tmp_path, "good", "never", after=0)], said)
    assert list(results.failed) == ["bad"]
    assert {m.contestant for m in results.measurements} == {"good"}
    assert any(line.startswith("bad takes no part: ") for line in said)
    assert results.complete


def test_who_dies_in_a_round_is_told_and_what_was_measured_stays(tmp_path: Path) -> None:
    said: list[str] = []
    bad = trial(tmp_path, "bad", "dies when it is started again", after=20)
    results = measured([bad, trial(tmp_path, "good", "never", after=0)], said)
    assert "round 1" in results.failed["bad"]
    assert any(line.startswith("bad failed in round 1: ") for line in said)
    assert results.done == [[0, "good"]]
    assert [s.contestant for s in results.starts] == ["bad", "good"]
    assert "good" in {m.contestant for m in results.measurements}


def measured(trials: list[Trial], said: list[str]) -> Results:
    """A whole run of these; this process may use all its cores again afterwards."""
    setting = Setting(SUBJECT, tuple(t.entry.contestant for t in trials), ONE_ROW, PLAN, Path(), "modelport compare")
    results = Results(about(), [], [])
    usable = os.sched_getaffinity(0)
    try:
        run(setting, results, trials, Teller(said.append, lambda done, total: None), lambda: None)
    finally:
        os.sched_setaffinity(0, usable)
    return results

"""What the harness reads, sums up and judges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness.answers import Case, is_right
from bench.harness.client import Answer
from bench.harness.errors import BenchError
from bench.harness.gates import Gate, judge, throughput_gate
from bench.harness.samples import Sample, Summary, rotated, summarise
from bench.harness.tables import Table
from modelport.compare.processes import serving, tree
from modelport.compare.usage import tree_pss_bytes
from modelport.compare.wrk import LoadResult, parse

REPORT = """\
Running 4s test @ http://127.0.0.1:8000/predict
  1 threads and 256 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.04ms    2.10ms   1.20s    -nan%
    Req/Sec    30.51k     1.02k   33.00k    75.00%
  Latency Distribution
     50%  137.00us
     75%    1.10ms
     90%    2.00ms
     99%    1.20s
  30345 requests in 4.00s, 5.61MB read
{lines}Requests/sec:   7586.25
Transfer/sec:      1.40MB
"""


def test_a_clean_report_is_read_in_every_unit() -> None:
    assert parse(REPORT.format(lines=""), connections=256) == LoadResult(256, 30345, 7586.25, 0.137, 1200.0, 0)


def test_socket_errors_and_wrong_statuses_are_added_up() -> None:
    lines = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"
    assert parse(REPORT.format(lines=lines), connections=256).errors == 15


def test_an_unknown_report_is_refused() -> None:
    with pytest.raises(BenchError, match="wrk's report has no"):
        parse("unable to connect", connections=1)


def test_the_median_over_the_rounds_is_taken() -> None:
    at = summaries(modelport=[90, 10, 20])["modelport"].at[32]
    assert (at.requests_per_s, at.requests_per_s_range) == (20, (10, 90))


@pytest.mark.parametrize(("ours", "word"), [(17.9, "MISS"), (18.0, "pass")])
def test_a_gate_is_missed_below_its_limit_only(ours: float, word: str) -> None:
    verdict = judge([gate()], summaries(modelport=[ours], peer=[10]))[0]
    assert verdict.word == word
    assert verdict.aim_missed is (word == "pass")


def test_a_gate_without_its_contestant_is_neither_kept_nor_missed() -> None:
    verdict = judge([gate()], summaries(modelport=[18]))[0]
    assert (verdict.word, verdict.missed) == ("not measured", False)


def test_every_contestant_starts_a_round_in_its_turn() -> None:
    assert [rotated("abc", n)[0] for n in range(4)] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("status", "body", "right"),
    [
        (200, b'{"prediction": "Rock", "probabilities": {"Hip-Hop": 0.250009, "Rock": 0.749991}}', True),
        (200, b'{"prediction": "Rock", "probabilities": {"Hip-Hop": 0.2501, "Rock": 0.7499}}', False),
        (200, b'{"prediction": "Hip-Hop", "probabilities": {"Hip-Hop": 0.25, "Rock": 0.75}}', False),
        (200, b'{"prediction": "Rock"}', False),
        (200, b"Rock", False),
        (503, b'{"prediction": "Rock", "probabilities": {"Hip-Hop": 0.25, "Rock": 0.75}}', False),
    ],
)
def test_an_answer_is_right_only_with_label_and_probabilities(status: int, body: bytes, right: bool) -> None:
    assert is_right(Answer(status, {}, body), Case(b"{}", "Rock", {"Hip-Hop": 0.25, "Rock": 0.75})) is right


def test_a_server_is_stopped_with_its_children_and_its_memory_is_the_tree_s(tmp_path: Path) -> None:
    child = "import signal; print(1, flush=True); signal.pause()"
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{child}'])"]
    with serving(command, core=0, cwd=tmp_path, log=tmp_path / "log") as server:
        leader = server.process.pid
        while not (tmp_path / "log").read_bytes():
            server.check_alive()
        members = tree(leader)
        assert len(members) == 2
        assert tree_pss_bytes(leader) > 2**20
    assert not {member.pid for member in members} & running()


def test_a_table_reads_the_same_on_a_terminal_and_on_a_page() -> None:
    table = Table("Speed", ["name", "n"], [["a", "1,000"]])
    assert table.plain() == "Speed\n\nname      n\n----  -----\na     1,000"
    assert table.markdown() == "## Speed\n\n| name | n |\n| --- | ---: |\n| a | 1,000 |"


def gate() -> Gate:
    return throughput_gate("modelport", "peer", 32, at_least=1.8, aim=2)


def summaries(**rates: list[float]) -> dict[str, Summary]:
    return summarise(
        [
            Sample(name, number, 0.1, 1, 1, (LoadResult(32, 1, rate, 1.0, 2.0, 0),))
            for name, values in rates.items()
            for number, rate in enumerate(values)
        ]
    )


def running() -> set[int]:
    """Return the processes that are there, those that nobody has waited for yet left out."""
    lines = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout.splitlines()
    return {int(line.split()[0]) for line in lines if not line.split()[1].startswith("Z")}

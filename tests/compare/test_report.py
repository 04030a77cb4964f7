"""What follows from numbers: verdict, losses, claims, costs, the page, and the judgement of a baseline."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from modelport.compare.baseline import changes
from modelport.compare.claims import DEPENDS, FAILS, HOLDS, UNKNOWN, UNSURE, checked
from modelport.compare.costs import costs
from modelport.compare.findings import capacities, contests, latencies
from modelport.compare.report import render
from modelport.compare.results import read_results
from modelport.compare.verdict import losses, sentences
from modelport.errors import SetupError
from tests.compare.fixed import case, results

WINS = {"flask": [100.0, 101, 99], "fastapi": [200.0, 202, 198], "modelport": [1000.0, 1010, 990]}
LOSES = {"flask": [2000.0, 2020, 1980], "fastapi": [200.0, 202, 198], "modelport": [1000.0, 1010, 990]}
EVEN = {"flask": [900.0, 1200, 1000], "modelport": [1000.0, 1000, 1000]}


def test_the_verdict_names_the_best_of_the_others_and_the_interval() -> None:
    first = sentences(results(WINS))[0]
    assert "Modelport answered 1,000 requests per second on one row, Fastapi 200" in first
    assert re.search(r"5\.00 times as many \(95 % interval 5\.00 to 5\.00\)", first)


def test_the_verdict_says_so_where_another_is_faster() -> None:
    told = sentences(results(LOSES))
    assert "0.50 times as many" in told[0]
    assert "behind in 2, the most in requests per second, one row: 1,000/s against 2,000/s of Flask" in told[-1]


def test_the_verdict_shows_no_difference_where_the_interval_holds_one() -> None:
    assert sentences(results(EVEN))[0].endswith("which is no difference that can be shown.")


def test_the_latency_of_the_verdict_is_of_the_rate_that_all_reach() -> None:
    told = sentences(results(WINS, latency_ms={"modelport": 3.0, "flask": 2.0, "fastapi": 9.0}))[1]
    assert "At 100 requests per second" in told
    found = re.search(
        r"99 % of the answers of Modelport came within ([\d.]+) ms, those of Flask, .* within ([\d.]+) ms", told
    )
    assert found is not None
    assert [float(found[1]), float(found[2])] == pytest.approx([3, 2], rel=0.01)


def test_every_loss_is_listed_and_nothing_else() -> None:
    slower = results(WINS, latency_ms={"modelport": 3.0, "flask": 2.0, "fastapi": 9.0})
    lost = losses(contests(slower, "modelport"))
    assert [(c.what, c.other) for c in lost] == [
        ("p50 at 100 requests/s, one row", "flask"),
        ("p95 at 100 requests/s, one row", "flask"),
        ("p99 at 100 requests/s, one row", "flask"),
    ]
    page = render(slower)
    assert "p99 at 100 requests/s" in page.partition("Where Modelport is behind")[2].partition("<h2>")[0]
    assert "In no number of this run" in render(results(WINS))


def test_who_answers_nothing_is_last_and_not_left_out() -> None:
    run = results({"flask": [100.0, 101, 99], "modelport": [0.0, 0.0, 0.0]})
    assert [c.contestant for c in capacities(run, "one-row")] == ["flask", "modelport"]
    assert losses(contests(run, "modelport"))[0].what == "requests per second, one row"


def test_requests_without_a_right_answer_count_as_the_longest() -> None:
    run = results({"flask": [100.0, 101, 99], "modelport": [100.0, 100, 100]})
    run.measurements = [
        dataclasses.replace(m, refused={"503": 100}) if m.contestant == "modelport" and m.rate else m
        for m in run.measurements
    ]
    tail = latencies(run, "one-row")["modelport"][0].percentiles[2]
    assert tail is not None
    assert tail > 2.9


@pytest.mark.parametrize(
    ("rates", "word"), [([100.0, 101, 99], HOLDS), ([190.0, 191, 189], FAILS), ([145.0, 180, 120], UNSURE)]
)
def test_much_faster_is_a_factor_of_two_that_the_interval_bears(rates: list[float], word: str) -> None:
    found = checked(results({"flask": rates, "fastapi": [300.0, 303, 297], "modelport": [1.0, 1, 1]}))
    assert next(c.word for c in found if c.claim == "FastAPI is much faster than Flask") == word


def test_a_claim_whose_contestants_did_not_run_is_not_measured() -> None:
    assert {c.word for c in checked(results({"modelport": [1.0, 2, 3]}))} == {UNKNOWN}


@pytest.mark.parametrize(
    ("naive", "threads", "word"), [(18.0, 78.0, DEPENDS), (18.0, 18.0, HOLDS), (78.0, 78.0, FAILS)]
)
def test_how_many_requests_flask_takes_at_once_follows_from_those_that_wait(
    naive: float, threads: float, word: str
) -> None:
    run = results({"flask-naive": [naive] * 3, "flask-threads": [threads] * 3})
    run.measurements = [dataclasses.replace(m, case="wait") for m in run.measurements]
    found = next(c for c in checked(run) if c.claim == "Flask takes one request at a time")
    assert found.word == word
    assert f"Flask-naive: {naive / 20:.1f}" in found.found


def test_costs_count_rows_cores_and_the_price() -> None:
    found = {c.contestant: c for c in costs(results(WINS), {**case(), "rows": 64}, 3.6)}
    assert found["modelport"].per_core_s == pytest.approx(64_000, rel=1e-3)
    per_machine = 64_000 * 2 * 0.6
    assert found["modelport"].money_per_million == pytest.approx(0.001 / per_machine * 1e6, rel=1e-3)
    assert found["flask"].instances == 1


class Reader(HTMLParser):
    """Collects what a page would fetch, and whether its tags are balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Anything with an address, links aside."""
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]
        self.fetched += [dict(attrs).get("href") or ""] if tag == "link" else []
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        """Closes the latest; a path with a title has an end, those without close themselves."""
        assert self.open.pop() == tag


def test_statuses_of_invalid_bodies_are_told_and_so_is_silence() -> None:
    run = results(WINS)
    run.conduct = {
        "flask": {"no JSON": 400, "a field is missing": 500},
        "modelport": {"no JSON": 422, "a field is missing": 0},
    }
    section = render(run).partition("<h2>Invalid input")[2].partition("<h2>")[0]
    assert "<td>Flask</td><td>400</td><td>500</td>" in section
    assert "<td>Modelport</td><td>422</td><td>nothing</td>" in section


def test_the_page_fetches_nothing_and_escapes_what_users_wrote() -> None:
    page = render(results(WINS), price=0.5)
    reader = Reader(page)
    assert (reader.fetched, reader.open) == ([], [])
    assert "url(" not in page
    assert "modelport compare &lt;b&gt;" in page


@pytest.mark.parametrize("kept", [0, 1, 2, 5, 9])
def test_a_partial_run_makes_a_page_that_says_so(kept: int) -> None:
    whole = results(WINS, complete=False)
    whole.starts, whole.measurements = whole.starts[: kept // 2], whole.measurements[:kept]
    assert "This run was interrupted" in render(whole)
    assert sentences(whole)


def test_results_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results(WINS).write(path)
    assert dataclasses.asdict(read_results(path)) == dataclasses.asdict(results(WINS))


@pytest.mark.parametrize(
    ("content", "word"),
    [("{", "is no JSON"), ("[]", "is of schema None"), ('{"schema": 2}', "is missing"), ('{"schema": 9}', "schema 9")],
)
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, content: str, word: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(SetupError, match=word):
        read_results(path)


def test_a_baseline_is_missed_only_by_what_chance_does_not_explain() -> None:
    def judged(now: list[float], then: list[float]) -> bool:
        found = changes(results({"modelport": now}), results({"modelport": then}))
        return any(change.is_regression for change in found if change.what.startswith("requests per second"))

    assert judged([800, 805, 795, 800, 802], [1000, 1005, 995, 1000, 998])
    assert not judged([1000, 1005, 995, 1000, 998], [800, 805, 795, 800, 802])
    assert not judged([990, 1400, 700, 1000, 1200], [1000, 1300, 800, 1100, 1050])


def test_a_baseline_that_cannot_judge_is_refused() -> None:
    with pytest.raises(SetupError, match="at least 2 rounds"):
        changes(results({"modelport": [1.0]}), results({"modelport": [1.0]}))
    other = results({"modelport": [1.0, 2.0]})
    other.about["model"]["version"] = "xyz"
    with pytest.raises(SetupError, match="of another model"):
        changes(results({"modelport": [1.0, 2.0]}), other)

"""Numbers that bear less than they seem to: what the report says of them, and what it leaves out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from modelport.compare.claims import DEPENDS, FAILS, HOLDS, UNKNOWN, UNSURE, checked
from modelport.compare.findings import contests, loaded_bytes
from modelport.compare.report import render
from modelport.compare.results import Measurement, Results, read_results
from modelport.compare.verdict import losses, sentences
from tests.cli.test_command_line import Cli, cli
from tests.compare.fixed import MIB, case, everything, latencies, results

__all__ = ["cli"]

EVEN = {"flask": [100.0, 101, 99], "fastapi": [100.0, 101, 99], "modelport": [100.0, 101, 99]}


def word(run: Results, claim: str) -> str:
    """What became of a claim."""
    return next(c.word for c in checked(run) if c.claim == claim)


def changed(run: Results, contestant: str, *, closed: bool, **changes: Any) -> list[Measurement]:
    """The samples of a run, with those of one contestant in closed or open loops changed."""
    return [
        dataclasses.replace(m, **changes) if m.contestant == contestant and (m.rate is None) == closed else m
        for m in run.measurements
    ]


def test_those_who_are_called_alike_are_told_apart_by_how_much_they_work_on_at_once() -> None:
    run = results({"fastapi-naive": [300.0] * 3, "fastapi": [200.0] * 3, "modelport": [100.0] * 3})
    for contestant, slots in zip(run.contestants, ("40: AnyIO's threads", "4: threads", "one batch"), strict=True):
        contestant["slots"] = slots
        contestant["title"] = "Modelport" if contestant["ours"] else "FastAPI"
    assert sentences(run)[-1].count("100/s against 300/s of FastAPI (40 at once)") == 1
    page = render(run)
    assert "FastAPI (40 at once) may work on 40 requests at once, others on 4" in page
    assert "FastAPI (4 at once) may work on" not in page
    assert run.title("fastapi") == "FastAPI (4 at once)"
    assert run.title("modelport") == "Modelport"


def test_those_who_are_called_alike_and_work_on_as_much_are_told_apart_by_their_set_up() -> None:
    run = results({"fastapi-naive": [300.0], "fastapi": [200.0]})
    for contestant, setup in zip(run.contestants, ("as tutorials start it", "at its best"), strict=True):
        contestant |= {"title": "FastAPI", "setup": setup}
    assert run.title("fastapi") == "FastAPI (at its best)"


def test_what_is_equal_in_a_single_round_is_no_loss() -> None:
    run = results({"flask": [100.0], "modelport": [100.0]})
    assert losses(contests(run, "modelport")) == []
    assert "behind in none; in 7 no difference can be shown" in sentences(run)[-1]


def test_processor_time_and_memory_under_load_are_lost_like_any_other_number() -> None:
    run = results(EVEN)
    run.measurements = changed(run, "modelport", closed=True, cpu_s=1.9, pss_bytes=200 * MIB)
    assert [(c.what, c.ours, c.theirs) for c in losses(contests(run, "modelport")) if c.other == "flask"] == [
        ("CPU seconds per 1,000 requests, one row", "19 s", "9.5 s"),
        ("memory under load, one row", "200 MiB", "100 MiB"),
    ]


def test_a_load_without_any_answer_is_told_of_and_left_out_of_claims() -> None:
    run = results({**EVEN, "flask": [0.0] * 3})
    assert word(run, "FastAPI is much faster than Flask") == UNKNOWN
    page = render(run)
    assert "Flask: not one of 32 callers at once had an answer before the load ended, in the case of one row" in page
    assert "<td>Flask</td><td>0</td><td>–</td><td>–</td>" in page


def test_a_capacity_that_the_generator_bounds_is_at_least_what_is_told() -> None:
    run = results({**EVEN, "modelport": [1000.0, 1010, 990]})
    run.measurements = changed(run, "modelport", closed=True, generator_busy=0.95)
    first = sentences(run)[0]
    assert first.startswith("Modelport answered at least 1,000 requests per second on one row, ")
    assert "at least 10.00 times as many" in first
    page = render(run)
    assert "≥ 1,000/s" in page
    assert "Modelport was faster than the load generator: its capacity is at least what is told of one row." in page
    assert "95% at most" in page


def test_the_latency_of_the_verdict_is_the_same_percentile_of_both() -> None:
    run = results(EVEN, latency_ms={"flask": 1.0, "fastapi": 3.0})
    assert "those of Flask, the quickest" in sentences(run)[1]
    run.measurements = changed(run, "flask", closed=False, answers=300, latencies=latencies(0.001, 300))
    assert "99 % of the answers of Modelport" in sentences(run)[1]
    assert "those of Fastapi, the quickest" in sentences(run)[1]


def test_both_numbers_of_the_verdict_are_of_the_rounds_of_its_ratio() -> None:
    run = results({"flask": [100.0], "modelport": [200.0, 50, 50]})
    assert "Modelport answered 200 requests per second on one row, Flask 100" in sentences(run)[0]
    assert "2.00 times as many" in sentences(run)[0]


@pytest.mark.parametrize(("elsewhere", "said"), [(0.5, DEPENDS), (2.0, HOLDS), (1.0, UNSURE)])
def test_a_claim_depends_where_one_case_shows_it_and_another_the_contrary(elsewhere: float, said: str) -> None:
    run = results({"fastapi": [100.0, 101, 99], "fastapi-async": [200.0, 202, 198]})
    there = results({"fastapi": [100.0, 101, 99], "fastapi-async": [100 * elsewhere, 101 * elsewhere, 99 * elsewhere]})
    run.measurements += [dataclasses.replace(m, case="release-gil") for m in there.measurements]
    run.cases.append(case("release-gil"))
    assert word(run, "async def is faster than def") == said


@pytest.mark.parametrize(("waiting", "said"), [(200.0, HOLDS), (50.0, FAILS), (100.0, UNSURE)])
def test_flask_can_be_faster_with_greenlets_where_any_case_shows_it(waiting: float, said: str) -> None:
    run = results({"flask-threads": [100.0] * 3, "flask-gevent": [50.0] * 3})
    there = results({"flask-threads": [100.0] * 3, "flask-gevent": [waiting] * 3})
    run.measurements += [dataclasses.replace(m, case="wait") for m in there.measurements]
    run.cases.append(case("wait"))
    assert word(run, "Flask can be faster with greenlets") == said


def test_memory_under_load_is_that_of_the_model_and_not_of_other_cases() -> None:
    run = results({"modelport": [100.0]})
    there = [dataclasses.replace(m, case="wait", pss_bytes=900 * MIB) for m in run.measurements]
    run.measurements += there
    run.cases.append(case("wait"))
    found = loaded_bytes(run, "modelport")
    assert found is not None
    assert found.value == pytest.approx(100 * MIB)


def test_latencies_have_intervals_over_rounds() -> None:
    run = results(EVEN)
    run.measurements = [
        dataclasses.replace(m, latencies=latencies(0.002 + m.round / 1000, 2000)) if m.rate else m
        for m in run.measurements
    ]
    found = render(run).partition("All latencies")[2].partition("</details>")[0]
    assert "\u00a0(" in found
    assert "<th>requests</th>" in found


def test_what_went_wrong_is_one_line_and_the_rest_is_below() -> None:
    run = results(EVEN)
    run.failed = {"flask": "the server ended; its log:\n<Traceback>"}
    page = render(run)
    assert "<p>Flask (flask) is not measured whole: the server ended; its log:</p><details>" in page
    assert "<pre>&lt;Traceback&gt;</pre>" in page


def test_requests_that_we_did_not_answer_are_told_whatever_the_others_did() -> None:
    run = results(EVEN)
    run.measurements = changed(run, "modelport", closed=True, refused={"503": 100})
    section = render(run).partition("Where Modelport is behind")[2].partition("<h2>")[0]
    told = "did not answer rightly: one row as fast as it goes: 300 of 600 (300 of these refused with 503)"
    assert told in section


def test_each_contestant_s_files_can_be_opened_from_the_report() -> None:
    page = render(results(EVEN))
    assert '<a href="contestants/flask/app.py">app.py</a>' in page
    assert '<a href="contestants/modelport/start.sh">start.sh</a>' in page
    assert "contestants/modelport/app.py" not in page
    assert "contestants/flask/work.py" not in page


def test_the_report_of_a_complete_run_can_be_written_anew_without_measuring(cli: Cli) -> None:
    folder = cli.folder / "report"
    folder.mkdir()
    results(EVEN).write(folder / "results.json")
    before = (folder / "results.json").read_bytes()
    done = cli("compare", "--resume", "--out", "report", "--price", "0.5")
    assert done.code == 0, done.err
    assert "nothing is measured, its report is written anew" in done.err
    assert "at 0.5 an hour" in (folder / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "results.json"]
    assert (folder / "results.json").read_bytes() == before
    assert read_results(folder / "results.json").complete


def test_a_report_written_anew_can_be_judged_by_a_baseline(cli: Cli) -> None:
    slower = {name: [per_s / 2 for per_s in rounds] for name, rounds in EVEN.items()}
    (cli.folder / "now").mkdir()
    results(slower).write(cli.folder / "now" / "results.json")
    results(EVEN).write(cli.folder / "then.json")
    done = cli("compare", "--resume", "--out", "now", "--baseline", "then.json")
    assert done.code == 1, done.err
    assert "requests per second, one row: 0.50 times as good as in the baseline" in done.out


def test_code_that_was_edited_is_named(cli: Cli) -> None:
    run = results(EVEN, complete=False)
    run.contestants[0]["edited"] = {"app.py": "0123456789ab"}
    page = render(run)
    assert "Flask: app.py was edited, and is not what this command writes." in page
    assert '<a href="contestants/flask/app.py">app.py</a> (edited)' in page
    (cli.folder / "compare").mkdir()
    run.write(cli.folder / "compare" / "results.json")
    assert "say --keep-code again" in cli.refuses("compare", "--quick", "--resume")


def test_a_number_in_which_several_are_better_is_one_row_that_names_them_all() -> None:
    run = results({"flask": [300.0] * 3, "fastapi": [200.0] * 3, "modelport": [100.0] * 3})
    section = render(run).partition("Where Modelport is behind")[2].partition("<h2>")[0]
    assert section.count("<td>requests per second, one row</td><td>Flask</td><td>100/s</td><td>300/s</td>") == 1
    assert "Fastapi: 200/s" in section


def test_an_overload_that_was_none_is_left_out_and_told() -> None:
    run = everything({name: [100.0, 101, 99] for name in ("modelport", "flask")})
    assert "twice the capacity: of its capacity" in {c.what for c in contests(run, "modelport")}
    run.observations = [
        dataclasses.replace(o, values={**o.values, "good_share": 2.0, "refused": 0.0, "lost": 0.01})
        if (o.contestant, o.case) == ("flask", "overload")
        else o
        for o in run.observations
    ]
    assert not [c for c in contests(run, "modelport") if c.what.startswith("twice the capacity")]
    page = render(run)
    assert "Flask: with twice the capacity that was measured just before, nearly every request was answered" in page
    assert "200%" not in page


def at_rates(run: Results, *rates: float) -> Results:
    """The open loops of a run, once at each of these rates."""
    closed = [m for m in run.measurements if m.rate is None]
    opened = [dataclasses.replace(m, rate=rate) for m in run.measurements if m.rate is not None for rate in rates]
    run.measurements = closed + opened
    return run


def test_latency_is_a_line_over_several_rates_and_a_bar_at_a_single_one() -> None:
    several = render(at_rates(results(EVEN), 100.0, 500.0))
    assert "Half of the answers, one row" in several
    assert "requests/s that arrive" in several
    single = render(results(EVEN))
    assert "Half of the answers at 100 requests/s, one row" in single
    assert "requests/s that arrive" not in single


def test_where_not_all_bear_a_p99_the_plot_is_of_p95() -> None:
    run = at_rates(results(EVEN), 100.0, 500.0)
    assert "99 % of the answers, one row" in render(run)
    run.measurements = changed(run, "flask", closed=False, answers=100, latencies=latencies(0.002, 100))
    page = render(run)
    assert "95 % of the answers, one row" in page
    assert "99 % of the answers, one row" not in page


def test_a_legend_names_only_whose_line_is_drawn() -> None:
    run = at_rates(results({**EVEN, "flask-naive": [100.0] * 3}), 100.0, 500.0)
    run.measurements = [m for m in run.measurements if m.contestant != "flask-naive" or m.rate is None]
    legend = render(run).partition('<ul class="legend">')[2].partition("</ul>")[0]
    assert "Fastapi" in legend
    assert "Flask-naive" not in legend


@pytest.mark.parametrize(("highest", "told"), [(8000.0, True), (4000.0, False)])
def test_where_the_generator_ends_the_rates_the_report_says_so(highest: float, told: bool) -> None:
    run = results(EVEN)
    run.about |= {"most_sent_per_s": {"one-row": 8000.0}, "rates": {"one-row": [100.0, highest]}}
    assert ("The highest rate is not what the fastest can do" in render(run)) == told
    assert ("one row 8,000/s" in render(run)) == told


def test_the_verdict_stands_before_what_is_said_against_the_run() -> None:
    page = render(results(EVEN, complete=False))
    assert page.index('class="verdict"') < page.index("This run was interrupted") < page.index("<h2>Capacity")


@pytest.mark.parametrize(("lags", "late"), [((0.01, 0.01, 0.0), True), ((0.01, 0.0, 0.0), False)])
def test_a_generator_that_was_late_in_most_rounds_has_measured_itself(lags: tuple[float, ...], late: bool) -> None:
    run = results(EVEN)
    run.measurements = [
        dataclasses.replace(m, lag_s=lags[m.round]) if m.rate and m.contestant == "flask" else m
        for m in run.measurements
    ]
    assert ("<td>≤ " in render(run).partition("All latencies")[2].partition("</table>")[0]) == late

"""What compiling gains: a random forest of 100 trees from its joblib file, Modelport beside FastAPI's tutorial form.

    python -m bench.compile_forest

The exit status is 0 when every promise is kept, 1 when one is missed, 2 when the run could not give a result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace

from bench.harness import environment, load
from bench.harness.answers import Case
from bench.harness.samples import Sample, Summary, summarise
from bench.harness.scenario import CONSTRAINTS, REQUIREMENTS, ROOT, WORK, Sheet, main, say
from bench.harness.trial import Bench, Contestant, Plan, check, run_trial
from bench.lineup import CONTESTANTS, OURS, PEERS
from bench.serve_saved_model import run_tool

INTRODUCTION = """\
A random forest of 100 trees on the music data, started from its joblib file, one worker on one core, 32 connections.
Modelport has compiled it at an earlier start, as it does by itself, and finds the compiled form in its cache. Every answer to
512 rows is compared with scikit-learn's own before anything is timed."""
ROUNDS, SECONDS, ROWS = 5, 5, 512
CACHE = WORK / "compiled"


def contestants() -> list[Contestant]:
    """The tutorial's form with the forest, and ours."""
    (tutorial,) = [c for c in CONTESTANTS if c.name == "fastapi_uvicorn"]
    model = ("env", "BENCH_MODEL=build/bench/forest.joblib")
    ours = Contestant(
        "modelport",
        "Modelport, from the joblib file, compiled by itself",
        OURS,
        (
            *(environment.python_of(OURS), "-m", "modelport", "serve", "build/forest.joblib"),
            *("--data", "examples/music/music.csv", "--target", "genre"),
            *("--cache-dir", str(CACHE), "--require-compiled", "--workers", "1", "--port", "{port}"),
        ),
    )
    return [replace(tutorial, command=(*model, *tutorial.command)), ours]


def prepare(plan: Plan) -> Bench:
    """The forest, the rows to ask for, and the right answers."""
    environment.install_tree(OURS, ".[sklearn]", CONSTRAINTS)
    environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
    python = environment.python_of(PEERS)
    run_tool([python, "examples/music/train.py", "--out", "build", "--forest"])
    run_tool([python, "-m", "bench.prepare_music", "--model", "forest", "--rows", str(ROWS)])
    pool = json.loads((WORK / "forest.json").read_text())
    cases = [Case(json.dumps(row["record"]).encode(), row["prediction"], row["probabilities"]) for row in pool]
    bodies = load.write_bodies((case.body for case in cases), WORK / "forest.jsonl")
    return Bench(plan, cases, bodies, ROOT, WORK / "server.log")


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Check every answer, then run both in turn."""
    rounds, seconds = (1, 2) if options.short else (ROUNDS, SECONDS)
    plan = Plan(rounds, seconds, 1, (32,), "/predict", server_core=0, load_core=1)
    bench = prepare(plan)
    os.sched_setaffinity(0, {plan.load_core})
    both = contestants()
    for contestant in both:
        say(f"checking the answers of {contestant.name}")
        check(contestant, bench)
    summaries = summarise(run_rounds(both, bench))
    report(sheet, summaries["modelport"], summaries["fastapi_uvicorn"])


def run_rounds(both: list[Contestant], bench: Bench) -> list[Sample]:
    """Rounds outermost, so that a slow minute hits both."""
    samples = []
    for number in range(bench.plan.rounds):
        for contestant in both:
            samples.append(run_trial(contestant, number, bench))
            say(f"round {number + 1}: {contestant.name}: {samples[-1].loads[0].requests_per_s:,.0f}/s")
    return samples


def report(sheet: Sheet, ours: Summary, theirs: Summary) -> None:
    """The table and the promises."""
    rate, their_rate = ours.at[32].requests_per_s, theirs.at[32].requests_per_s
    sheet.compare("answers/s at 32 connections", rate, their_rate)
    sheet.compare("the same, p50", ours.at[32].p50_ms, theirs.at[32].p50_ms, " ms")
    sheet.compare("the same, p99", ours.at[32].p99_ms, theirs.at[32].p99_ms, " ms")
    sheet.compare("launch to first right answer", ours.first_answer_s, theirs.first_answer_s, " s")
    sheet.compare("memory (PSS) after the load", ours.pss_loaded_mib, theirs.pss_loaded_mib, " MiB")
    sheet.promise("answers/s over FastAPI's tutorial form", rate / their_rate, "at least", 80, "×")
    sheet.promise("launch to first right answer, from the cache", ours.first_answer_s, "at most", 0.6, " s")
    sheet.promise(
        "FastAPI's time to the first answer over ours", theirs.first_answer_s / ours.first_answer_s, "at least", 2, "×"
    )
    sheet.promise("PSS over FastAPI's", ours.pss_loaded_mib / theirs.pss_loaded_mib, "at most", 0.65, "×")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    return main(Sheet("compile_forest", "A compiled forest", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

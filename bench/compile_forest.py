"""What compiling gains: a random forest of 100 trees, from its file and from a bundle, Modelport beside FastAPI's tutorial form.

    python -m bench.compile_forest

The exit status is 0 when every promise is kept, 1 when one is missed, 2 when the run could not give a result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace

from bench.harness import environment
from bench.harness.answers import Case
from bench.harness.samples import Sample, Summary, summarise
from bench.harness.scenario import CONSTRAINTS, REQUIREMENTS, ROOT, WORK, Sheet, main, say
from bench.harness.trial import Bench, Contestant, Plan, check, run_trial
from bench.lineup import CONTESTANTS, OURS, PEERS
from bench.serve_saved_model import run_tool
from modelport.compare import wrk

INTRODUCTION = """\
A random forest of 100 trees on the music data, started from its joblib file, one worker on one core, 32 connections.
Modelport has compiled it at an earlier start, as it does by itself, and finds the compiled form in its cache; or it is given the
bundle that `modelport build` wrote, checks its files and replays its golden cases. Every answer to 512 rows is compared with
scikit-learn's own before anything is timed."""
ROUNDS, SECONDS, ROWS = 5, 5, 512
CACHE = WORK / "compiled"
BUNDLE = WORK / "forest.bundle"
DATA = ("--data", "examples/music/music.csv", "--target", "genre")
CACHED, BUNDLED, THEIRS = "modelport", "modelport_bundle", "fastapi_uvicorn"


def contestants() -> list[Contestant]:
    """The tutorial's form with the forest, and ours from its file and from its bundle."""
    (tutorial,) = [c for c in CONTESTANTS if c.name == THEIRS]
    model = ("env", "BENCH_MODEL=build/bench/forest.joblib")
    cached = ("build/forest.joblib", *DATA, "--cache-dir", str(CACHE))
    return [
        replace(tutorial, command=(*model, *tutorial.command)),
        _ours(CACHED, "Modelport, from the joblib file, compiled by itself", *cached),
        _ours(BUNDLED, "Modelport, from the bundle of the same file", str(BUNDLE)),
    ]


def _ours(name: str, description: str, *what: str) -> Contestant:
    serve = (environment.python_of(OURS), "-m", "modelport", "serve", *what)
    return Contestant(name, description, OURS, (*serve, "--require-compiled", "--workers", "1", "--port", "{port}"))


def prepare(plan: Plan) -> Bench:
    """The forest, the rows to ask for, and the right answers."""
    environment.install_tree(OURS, ".[sklearn]", CONSTRAINTS)
    environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
    python = environment.python_of(PEERS)
    run_tool([python, "examples/music/train.py", "--out", "build", "--forest"])
    run_tool([python, "-m", "bench.prepare_music", "--model", "forest", "--rows", str(ROWS)])
    built = (environment.python_of(OURS), "-m", "modelport", "build", "build/forest.joblib", *DATA)
    run_tool([*built, "--out", str(BUNDLE), "--force", "--require-compiled"])
    pool = json.loads((WORK / "forest.json").read_text())
    cases = [Case(json.dumps(row["record"]).encode(), row["prediction"], row["probabilities"]) for row in pool]
    bodies = wrk.write_bodies((case.body for case in cases), WORK / "forest.jsonl")
    return Bench(plan, cases, bodies, ROOT, WORK / "server.log")


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Check every answer, then run all in turn."""
    rounds, seconds = (1, 2) if options.short else (ROUNDS, SECONDS)
    plan = Plan(rounds, seconds, 1, (32,), "/predict", server_core=0, load_core=1)
    bench = prepare(plan)
    os.sched_setaffinity(0, {plan.load_core})
    everybody = contestants()
    for contestant in everybody:
        say(f"checking the answers of {contestant.name}")
        check(contestant, bench)
    summaries = summarise(run_rounds(everybody, bench))
    report(sheet, summaries[CACHED], summaries[THEIRS])
    report_bundle(sheet, summaries[BUNDLED], summaries[THEIRS])


def run_rounds(everybody: list[Contestant], bench: Bench) -> list[Sample]:
    """Rounds outermost, so that a slow minute hits all."""
    samples = []
    for number in range(bench.plan.rounds):
        for contestant in everybody:
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


def report_bundle(sheet: Sheet, ours: Summary, theirs: Summary) -> None:
    """What a start from the bundle promises."""
    faster = theirs.first_answer_s / ours.first_answer_s
    sheet.compare("launch to first right answer, from a bundle", ours.first_answer_s, theirs.first_answer_s, " s")
    sheet.compare("memory (PSS) after the load, from a bundle", ours.pss_loaded_mib, theirs.pss_loaded_mib, " MiB")
    sheet.promise("launch to first right answer, from a bundle", ours.first_answer_s, "at most", 0.6, " s")
    sheet.promise("FastAPI's time to the first answer over ours, from a bundle", faster, "at least", 2, "×")
    sheet.promise(
        "PSS over FastAPI's, from a bundle", ours.pss_loaded_mib / theirs.pss_loaded_mib, "at most", 0.65, "×"
    )


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    return main(Sheet("compile_forest", "A compiled forest", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

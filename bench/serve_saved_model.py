"""How fast is a saved model served? Modelport beside Flask, FastAPI, BlackSheep and the echo of its own server.

    python -m bench.serve_saved_model                                     # everything, about 15 minutes
    python -m bench.serve_saved_model --only modelport,echo --rounds 1    # a quick look; no page is written

The exit status is 0 when every promise is kept, 1 when one is missed, 2 when the run could not give a result.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import environment, gates, report
from bench.harness.answers import Case, check_echo
from bench.harness.comparison import losses, speed_table, start_table
from bench.harness.errors import BenchError
from bench.harness.samples import Sample, Summary, rotated, summarise
from bench.harness.trial import Bench, Contestant, Plan, check, run_trial
from bench.lineup import CONTESTANTS, OURS, PEERS
from modelport.compare import wrk
from modelport.compare.processes import child_environment

NAME = "serve_saved_model"
COMMAND = f"python -m bench.{NAME}"
ROOT = Path(__file__).resolve().parents[1]
WORK = Path("build/bench")
PAGE = Path("docs/performance.md")
CONSTRAINTS = Path("constraints.txt")
REQUIREMENTS = Path("bench/requirements.txt")

ROUNDS, SECONDS, WARM_UP_S, ROWS = 5, 4, 1, 512
CONNECTIONS = (1, 32, 256)
BASELINE = "fastapi_uvicorn"

GATES = [
    gates.throughput_gate("modelport", BASELINE, 32, at_least=9, aim=11),
    gates.throughput_gate("modelport", "blacksheep_onnx", 32, at_least=1.8),
    gates.throughput_gate("modelport", "echo", 32, at_least=0.62, aim=0.75),
    gates.throughput_gate("modelport", BASELINE, 256, at_least=13, aim=20),
    gates.p50_gate("modelport", "echo", 1, at_most=1.35),
    gates.first_answer_gate("modelport", at_most_s=0.6),
    gates.memory_gate("modelport", at_most_mb=110),
]

INTRODUCTION = """\
One decision tree, trained on the eight audio features of `examples/music/music.csv`, answers one JSON record per
request with a label and its probabilities. Every server has one core and one worker and gives the same answers."""

METHOD = """\
- The server and all its processes are pinned to core {plan.server_core}, the load generator to core {plan.load_core}.
- The load is `wrk` with one thread in a closed loop: each connection asks again when it has its answer. Every request
  is the next of {rows} distinct rows of the data.
- Before anything is timed, each server's answers to all {rows} rows are compared with those of the scikit-learn model:
  labels equal, probabilities within 1e-5, asked one by one and over 16 connections at once. The echoes are compared
  with Modelport's answers in headers and size.
- {plan.rounds} rounds. In each round every contestant is started alone, asked for its first answer, loaded for
  {plan.seconds:g} s after {plan.warm_up_s:g} s of warm-up at each number of connections, and stopped. The order rotates
  from round to round. Each number is the median over the rounds; a ratio is the ratio of two medians. One error, or one
  answer that is not a 2xx or 3xx, ends the run without a result.
- First right answer: seconds from the launch of the process, asked every 2 ms, files in the page cache and packages
  byte-compiled; the start that checks the answers is not counted.
- PSS is summed over the process tree, half a second after the first answer and after the last load. Code pages that
  other Python processes of the machine use as well count in part only, for every contestant alike.
- p50 and p99 are those of `wrk --latency`. `wrk` adds made-up samples for requests it would have sent while it waited
  for a slow answer, so its p99 is higher than that of the answers that came.
- Modelport notices that this ONNX file is one small decision tree and walks it itself, after comparing every leaf and
  threshold with ONNX Runtime bit by bit when it loads. A forest, or any other model, runs in ONNX Runtime, as it does
  for the experts' contestants; that costs a lone request some 12 µs more, which would miss the promise of 1.35×.
- Contestants run in environments of their own, Modelport as an ordinary installation with its ONNX extra."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status."""
    options = parse_options(arguments)
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the finally blocks: no server stays behind
    try:
        run = measure(options)
    except BenchError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{NAME}: interrupted, nothing written", file=sys.stderr)
        return 130
    return publish(run, committed=options.publish or is_full(options))


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Serve a saved model: Modelport beside its peers.")
    names = ", ".join(contestant.name for contestant in CONTESTANTS)
    parser.add_argument("--only", type=selection, default=CONTESTANTS, metavar="A,B", help=f"some of: {names}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of load per measurement, default {SECONDS}")
    parser.add_argument("--server-core", type=int, default=0, help="default 0")
    parser.add_argument("--load-core", type=int, default=1, help="default 1")
    parser.add_argument("--publish", action="store_true", help=f"write {PAGE} even from a shorter run")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return options


def selection(text: str) -> tuple[Contestant, ...]:
    """Return the contestants of a comma-separated list, in the order of the line-up."""
    wanted = {name.strip() for name in text.split(",")}
    known = {contestant.name for contestant in CONTESTANTS}
    if wanted - known:
        raise argparse.ArgumentTypeError(f"no contestant {sorted(wanted - known)}; there are {sorted(known)}")
    return tuple(contestant for contestant in CONTESTANTS if contestant.name in wanted)


def is_full(options: argparse.Namespace) -> bool:
    """Say whether a run is long and complete enough to replace the committed page."""
    return bool(options.only == CONTESTANTS and options.rounds >= ROUNDS and options.seconds >= SECONDS)


def measure(options: argparse.Namespace) -> report.Run:
    """Prepare, check every answer, then run all rounds."""
    environment.need_cores(options.server_core, options.load_core)
    wrk.need_tools()
    machine = environment.machine()
    if environment.is_busy():
        say(f"the machine was busy just now (load {os.getloadavg()[0]:.2f}): if it stays so, every number suffers")
    plan = Plan(
        rounds=options.rounds,
        seconds=options.seconds,
        warm_up_s=WARM_UP_S,
        connections=CONNECTIONS,
        path="/predict",
        server_core=options.server_core,
        load_core=options.load_core,
    )
    contestants = options.only
    prepare_environments(contestants)
    bench = prepare_model(plan)
    os.sched_setaffinity(0, {plan.load_core})  # the server's core is the server's alone
    check_answers(contestants, bench)
    samples = run_rounds(contestants, bench)
    summaries = summarise(samples)
    return report.Run(
        name=NAME,
        command=COMMAND,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        machine=machine,
        versions={name: environment.versions_of(name) for name in environments_of(contestants)},
        plan=plan,
        contestants=contestants,
        samples=samples,
        summaries=summaries,
        verdicts=gates.judge(GATES, summaries),
    )


def environments_of(contestants: Sequence[Contestant]) -> list[str]:
    """Return the environments a run needs; the peers' one also trains the model."""
    return list(dict.fromkeys([PEERS, *(contestant.environment for contestant in contestants)]))


def prepare_environments(contestants: Sequence[Contestant]) -> None:
    """Build the peers' environment when its requirements changed, and install the tree afresh."""
    say("preparing the environments in .venv-bench/")
    environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
    if OURS in environments_of(contestants):
        environment.install_tree(OURS, ".[onnx]", CONSTRAINTS)


def prepare_model(plan: Plan) -> Bench:
    """Train the model and write the pool of rows, both with the versions that the contestants run on."""
    say("training the music model")
    python = environment.python_of(PEERS)
    run_tool([python, "examples/music/train.py", "--out", "build", "--onnx"])
    run_tool([python, "-m", "bench.prepare_music", "--rows", str(ROWS)])
    pool = json.loads((WORK / "pool.json").read_text())
    cases = [Case(json.dumps(row["record"]).encode(), row["prediction"], row["probabilities"]) for row in pool]
    bodies = wrk.write_bodies((case.body for case in cases), WORK / "bodies.jsonl")
    return Bench(plan, cases, bodies, ROOT, WORK / "server.log")


def run_tool(command: Sequence[str]) -> None:
    """Run a preparing script to its end."""
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}")


def check_answers(contestants: Sequence[Contestant], bench: Bench) -> None:
    """Compare all answers with the model's, and the echoes with Modelport's."""
    answers = {}
    for contestant in contestants:
        say(f"checking the answers of {contestant.name}")
        answers[contestant.name] = check(contestant, bench)
    for contestant in contestants:
        if contestant.echo and OURS in answers:
            check_echo(contestant.name, answers[contestant.name][0], answers[OURS])


def run_rounds(contestants: Sequence[Contestant], bench: Bench) -> list[Sample]:
    """Run every contestant once per round, rounds outermost, so that a slow minute hits all of them."""
    samples = []
    for number in range(bench.plan.rounds):
        for contestant in rotated(contestants, number):
            sample = run_trial(contestant, number, bench)
            rates = ", ".join(f"{result.requests_per_s:,.0f}/s at {result.connections}" for result in sample.loads)
            say(f"round {number + 1} of {bench.plan.rounds}: {contestant.name}: {rates}")
            samples.append(sample)
    return samples


def publish(run: report.Run, *, committed: bool) -> int:
    """Print the report, write its files, and return the exit status."""
    page = page_of(run, run.summaries)
    print(report.terminal_report(run, page))
    results = Path("bench/results") / (f"{NAME}.json" if committed else f"{NAME}.partial.json")
    report.write_json(run, results)
    say(f"wrote {results}")
    if committed:
        PAGE.write_text(report.markdown_page(run, page), encoding="utf-8")
        say(f"wrote {PAGE}")
    missed = [verdict for verdict in run.verdicts if verdict.missed]
    for verdict in missed:
        print(report.miss_sentence(verdict), file=sys.stderr)
    return 1 if missed else 0


def page_of(run: report.Run, summaries: Mapping[str, Summary]) -> report.Page:
    """Return the words and tables of the page."""
    rivals = [contestant.name for contestant in run.contestants if not contestant.echo and contestant.name != OURS]
    return report.Page(
        title="Performance: serving a saved model",
        introduction=INTRODUCTION,
        method=METHOD.format(plan=run.plan, rows=ROWS),
        tables=[*(speed_table(summaries, n, BASELINE) for n in run.plan.connections), start_table(summaries)],
        losses=losses(summaries, OURS, rivals),
    )


def say(text: str) -> None:
    """Tell what is going on without mixing it into the report."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

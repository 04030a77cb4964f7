"""What the engine costs a call: a process of its own at one connection, and the inline path before and after."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.harness import environment
from bench.harness.client import fetch_status
from bench.harness.errors import BenchError
from bench.harness.kills import role_of
from bench.harness.scenario import CONSTRAINTS, REQUIREMENTS, ROOT, WORK, Sheet, control, main, ours, say, wait_until
from bench.lineup import FEATURES, PEERS
from modelport.compare import wrk
from modelport.compare.processes import ServerProcess, child_environment, serving, tree

INTRODUCTION = """\
Two prices. A model in a process of its own costs two crossings of a Unix socket: the median latency at one connection of
a trivial Python model, less that of an echo on the same HTTP server, measured in turn. A small compiled model runs inside
the worker: its processor time per request, as the kernel counts it for the worker, in this tree and in an older
revision, ten times in turn."""
RUNS, SECONDS, BASELINE = 10, 3, "1dc8720"
BASELINE_TREE = WORK / "baseline"
LOAD_CORE = 1


def body_file() -> Path:
    """The one body that wrk sends."""
    return wrk.write_bodies([b'{"id": "a"}'], WORK / "cost.jsonl")


def p50_us(server: ServerProcess, options: argparse.Namespace) -> float:
    """Median latency at one connection."""
    url = f"http://127.0.0.1:{server.port}/predict"
    found = [
        wrk.run_wrk(url, bodies=body_file(), connections=1, seconds=seconds, core=LOAD_CORE)
        for seconds in (1, options.seconds)
    ]
    if found[-1].errors:
        raise BenchError(f"{found[-1].errors} errors; the log ends with:\n{server.log_tail()}")
    return found[-1].p50_ms * 1000


@contextmanager
def echo(options: argparse.Namespace) -> Iterator[ServerProcess]:
    """Our HTTP server alone."""
    command = (sys.executable, "-m", "bench.contestants.echo", "--port", "{port}")
    with serving(command, core=options.cores, cwd=ROOT, log=WORK / "echo.log") as server:
        while fetch_status(server.port, "/nothing") == 0:
            server.check_alive()
            time.sleep(0.02)
        yield server


def crossing(options: argparse.Namespace, sheet: Sheet) -> None:
    """The process executor beside the echo, in turn."""
    found: dict[str, list[float]] = {"echo": [], "process": [], "control": []}
    for number in range(options.rounds):
        with echo(options) as server:
            found["echo"].append(p50_us(server, options))
        with ours(options, "engine_trivial", "--workers", "1") as server:
            found["process"].append(p50_us(server, options))
        if not options.no_control:
            with control(options, "engine_trivial") as server:
                found["control"].append(p50_us(server, options))
        say(
            f"round {number + 1}: "
            + ", ".join(f"{name} {values[-1]:.0f} us" for name, values in found.items() if values)
        )
    theirs = median(found["control"]) if found["control"] else None
    sheet.compare("trivial model, 1 connection: p50", median(found["process"]), theirs, " µs")
    sheet.compare("echo on our HTTP server, 1 connection: p50", median(found["echo"]), None, " µs")
    added = median(found["process"]) - median(found["echo"])
    sheet.promise("p50 that a process of its own adds", added, "at most", 250, " µs")


# -- before and after --------------------------------------------------------------------------------------------------


def unpack_baseline(revision: str) -> None:
    """The older tree's source, beside the build."""
    BASELINE_TREE.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "archive", revision, "src"], capture_output=True, check=False)
    if archive.returncode:
        raise BenchError(f"no revision {revision}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(BASELINE_TREE)], input=archive.stdout, check=True)


def prepare_model() -> Path:
    """The music model as ONNX, and a body for it."""
    environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
    command = [environment.python_of(PEERS), "examples/music/train.py", "--out", "build", "--onnx"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"training failed:\n{done.stderr[-1000:]}")
    values = ", ".join(f'"{name}": 0.5' for name in FEATURES.split(",")).replace('"tempo": 0.5', '"tempo": 120')
    return wrk.write_bodies([f"{{{values}}}".encode()], WORK / "track.jsonl")


def inline_cpu_us(source: Path, bodies: Path, options: argparse.Namespace) -> float:
    """Processor time of the worker per request, in microseconds, at 32 connections."""
    command = (
        *("env", f"PYTHONPATH={source}", sys.executable, "-m", "modelport", "serve", "build/genre.onnx"),
        *("--features", FEATURES, "--workers", "1", "--port", "{port}"),
    )
    with serving(command, core=0, cwd=ROOT, log=WORK / "inline.log") as server:
        wait_until(server, "/readyz")
        worker = next(
            pid for pid, _ in tree(server.process.pid) if pid != server.process.pid and role_of(pid) == "worker"
        )
        url = f"http://127.0.0.1:{server.port}/predict"
        wrk.run_wrk(url, bodies=bodies, connections=32, seconds=1, core=LOAD_CORE)
        before = _cpu_ns(worker)
        result = wrk.run_wrk(url, bodies=bodies, connections=32, seconds=options.seconds, core=LOAD_CORE)
        spent = _cpu_ns(worker) - before
        if result.errors:
            raise BenchError(f"{result.errors} errors from {source}; the log ends with:\n{server.log_tail()}")
    return spent / result.requests / 1000


def _cpu_ns(pid: int) -> int:
    """Time on a processor, all threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def before_and_after(options: argparse.Namespace, sheet: Sheet) -> None:
    """Alternated, so that a slow minute hits both."""
    unpack_baseline(options.baseline_rev)
    bodies = prepare_model()
    before: list[float] = []
    after: list[float] = []
    for number in range(options.runs):
        for kind in (0, 1) if number % 2 else (1, 0):
            source = ROOT / "src" if kind else ROOT / BASELINE_TREE / "src"
            (after if kind else before).append(inline_cpu_us(source, bodies, options))
        say(f"run {number + 1}: before {before[-1]:.2f} us, after {after[-1]:.2f} us")
    sheet.compare(f"inline, processor time per request, at {options.baseline_rev}", median(before), None, " µs")
    sheet.compare("inline, processor time per request, this tree", median(after), None, " µs")
    sheet.promise(
        "processor time per inline request, more than before", median(after) - median(before), "at most", 2, " µs"
    )


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both prices."""
    wrk.need_tools()
    if options.short:
        options.runs, options.rounds, options.seconds = 2, 1, 1
    os.sched_setaffinity(0, {LOAD_CORE})
    crossing(options, sheet)
    before_and_after(options, sheet)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"before and after, default {RUNS}")
    parser.add_argument("--rounds", type=int, default=5, help="of the process executor, default 5")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of load per measurement, default {SECONDS}")
    parser.add_argument("--baseline-rev", default=BASELINE, help=f"what to compare with, default {BASELINE}")
    return main(Sheet("engine_cost", "What the engine costs", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

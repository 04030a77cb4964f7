"""What a large array costs as JSON: processor time per answer, beside the same array from FastAPI, and the probes meanwhile."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path

from bench.harness.client import fetch_status, post_all
from bench.harness.errors import BenchError
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess, tree

INTRODUCTION = """\
A model answers an array of 128 × 1536 numbers of 32 bits, as JSON, to one caller at a time; `/livez` is asked meanwhile.
The processor time is that of all processes of the server, as the kernel counts it. FastAPI is given lists, as its
documentation asks for."""
ANSWERS = 200
SHAPE = (128, 1536)
SHARE = 0.2


def cpu_seconds(server: ServerProcess) -> float:
    """Time on a processor, all threads of all processes."""
    tasks = [task for member in tree(server.process.pid) for task in Path(f"/proc/{member.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def probe(port: int, done: threading.Event, seconds: list[float]) -> None:
    """Ask for the probe until it is over."""
    while not done.wait(0.01):
        started = time.perf_counter()
        if fetch_status(port, "/livez") == 200:
            seconds.append(time.perf_counter() - started)


def measure_one(server: ServerProcess, answers: int) -> tuple[float, float]:
    """Processor milliseconds per answer, and the 99th percentile of the probe in milliseconds."""
    first = post_all(server.port, "/predict", [b'{"number": 1}'] * 3)[-1]
    rows = json.loads(first.body)
    if first.status != 200 or (len(rows), len(rows[0])) != SHAPE:
        raise BenchError(f"not the array: {first.status} {first.body[:200]!r}")
    done, probes = threading.Event(), list[float]()
    prober = threading.Thread(target=probe, args=(server.port, done, probes))
    prober.start()
    before = cpu_seconds(server)
    post_all(server.port, "/predict", [b'{"number": 1}'] * answers)
    spent = cpu_seconds(server) - before
    done.set()
    prober.join()
    return spent / answers * 1000, sorted(probes)[int(len(probes) * 0.99)] * 1000


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Ours, then the control."""
    answers = 20 if options.short else options.answers
    with ours(options, "returns_arrays", "--workers", "1") as server:
        cpu_ms, probe_ms = measure_one(server, answers)
    theirs: tuple[float, float] | None = None
    if not options.no_control:
        with control(options, "returns_arrays") as server:
            theirs = measure_one(server, answers)
    say(f"{cpu_ms:.1f} ms of processor time per answer; control: {theirs[0] if theirs else 'not asked'}")
    sheet.compare("processor time per answer", cpu_ms, theirs[0] if theirs else None, " ms")
    sheet.compare("/livez meanwhile: p99", probe_ms, theirs[1] if theirs else None, " ms")
    if theirs:
        sheet.promise("processor time per answer, share of FastAPI's", cpu_ms / theirs[0], "at most", SHARE)
    sheet.promise("/livez meanwhile: p99", probe_ms, "at most", 50, " ms")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=ANSWERS, help=f"of each server, default {ANSWERS}")
    return main(Sheet("returns_arrays", "Large arrays as JSON", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

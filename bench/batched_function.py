"""A batched function at 32 connections, beside the same function as a FastAPI `def` endpoint."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from bench.harness.asking import Caller, run
from bench.harness.errors import BenchError
from bench.harness.scenario import WORK, Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess
from modelport.compare.wrk import LoadResult, need_tools, run_wrk, write_bodies

INTRODUCTION = """\
A function around a forest of 100 trees as a model with `batch=True`, and the same function as a `def` endpoint that takes one
song. Both servers have the same single core, the load comes from another one; a sample of answers is compared first. Rounds
alternate between the two, and the median counts."""
CONNECTIONS, ROUNDS, SECONDS = 32, 3, 10
SONGS, NUMBERS, COMPARED = 500, 8, 50
LEAST_TIMES = 5.0


def songs() -> list[bytes]:
    """Bodies that differ."""
    drawn = random.Random(0)
    return [json.dumps([round(drawn.random(), 4) for _ in range(NUMBERS)]).encode() for _ in range(SONGS)]


def answers(server: ServerProcess, bodies: list[bytes]) -> list[bytes]:
    """What a server says to a sample."""
    found: list[bytes] = []

    async def ask() -> None:
        caller = Caller(server.port)
        found.extend([(await caller.post("/predict", body)).body for body in bodies[:COMPARED]])

    run(ask())
    return found


def one_round(server: ServerProcess, bodies: Path, options: argparse.Namespace) -> LoadResult:
    """Load for a while."""
    url = f"http://127.0.0.1:{server.port}/predict"
    core = int(options.load_core)
    found = run_wrk(url, bodies=bodies, connections=options.connections, seconds=options.seconds, core=core)
    if found.errors:
        raise BenchError(f"{found.errors} requests failed:\n{server.log_tail()}")
    say(f"{found.requests_per_s:,.0f}/s, p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms")
    return found


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both servers up at once, asked in turn."""
    need_tools()
    options.cores = options.server_core
    if options.short:
        options.rounds, options.seconds = 1, 3
    drawn = songs()
    bodies = write_bodies(drawn, WORK / "batched_function.bodies")
    own: list[LoadResult] = []
    theirs: list[LoadResult] = []
    with ours(options, "batched_function", "--workers", "1") as server:
        if options.no_control:
            own += [one_round(server, bodies, options) for _ in range(options.rounds)]
            return report(sheet, own, theirs)
        with control(options, "batched_function") as other:
            if answers(server, drawn) != answers(other, drawn):
                raise BenchError("the two answer differently")
            for _ in range(options.rounds):
                theirs.append(one_round(other, bodies, options))
                own.append(one_round(server, bodies, options))
    return report(sheet, own, theirs)


def report(sheet: Sheet, own: list[LoadResult], theirs: list[LoadResult]) -> None:
    """The table and the promise."""
    mine, other = middle(own), middle(theirs) if theirs else None
    sheet.compare("answers/s", mine.requests_per_s, other and other.requests_per_s)
    sheet.compare("p50", mine.p50_ms, other and other.p50_ms, " ms")
    sheet.compare("p99", mine.p99_ms, other and other.p99_ms, " ms")
    if other is not None:
        times = mine.requests_per_s / other.requests_per_s
        sheet.promise("answers/s, over FastAPI's", times, "at least", LEAST_TIMES, "×")


def middle(found: list[LoadResult]) -> LoadResult:
    """The median round."""
    return sorted(found, key=lambda each: each.requests_per_s)[len(found) // 2]


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"default {CONNECTIONS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each server, default {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"per round, default {SECONDS}")
    parser.add_argument("--server-core", default="0", help="of the servers; default 0")
    parser.add_argument("--load-core", default="1", help="of wrk; default 1")
    return main(Sheet("batched_function", "A batched function", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

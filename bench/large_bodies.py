"""What megabytes cost on their way in and out: processor time and requests per second, beside FastAPI as experts write it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.harness import environment
from bench.harness.errors import BenchError
from bench.harness.scenario import WORK, Sheet, main, say
from bench.lineup import OURS, PEERS
from bench.returns_arrays import cpu_seconds
from modelport.compare.cases import CASES, Case, bodies_of, headers_of, path_of, requests_of
from modelport.compare.client import Response, first_answer_s, post_all
from modelport.compare.contestants import CONTESTANTS, Contestant
from modelport.compare.generation import write_work
from modelport.compare.generators import closed_loop
from modelport.compare.pool import write_pool
from modelport.compare.processes import ServerProcess, serving
from modelport.compare.subject import Subject

INTRODUCTION = """\
The three cases of `modelport compare` that move megabytes, with its contestants: 1 MB of floats as a JSON list in, an array
of 128 × 1536 numbers out as JSON, 5 MB of bytes in. The server has one core and eight callers, who ask again when they have
their answer. FastAPI is as experts write it: a thread pool, msgspec for what comes in, orjson for what goes out. In Modelport
each function has a process of its own, so every byte crosses a socket more. The medians of several rounds, in turn."""
LARGE = ("array-in", "vectors-out", "image-in")
NAMES = ("modelport", "fastapi-pool")
ROUNDS, SECONDS, SLOTS, LOAD_CORE = 5, 5, 4, 1
NOTHING = Subject("", Path(), {}, (), (), ())

Cost = tuple[float, float]
"""Milliseconds of the processor per request, and requests per second."""


def named(name: str) -> Contestant:
    """Of the line-up."""
    return next(c for c in CONTESTANTS if c.name == name)


def absolute(program: str) -> str:
    """Servers run in other folders. A link is not followed: it is what makes an environment of the interpreter."""
    return str(Path(program).absolute())


def command_of(contestant: Contestant, options: argparse.Namespace) -> tuple[Path, list[str]]:
    """Where its code lies, and how it is started there."""
    folder = (WORK / "large_bodies" / contestant.name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_work(contestant, folder, SLOTS)
    if contestant.is_ours:
        python = sys.executable if options.here else absolute(environment.python_of(OURS))
        flags = ["--port", "{port}", "--workers", "1", "--standby", "off"]
        return folder, [python, "-m", "modelport", "serve", "work.py", *flags]
    python = absolute(environment.python_of(PEERS))
    return folder, [python, "-m", "uvicorn", "--port", "{port}", "--no-access-log", "work:app"]


@contextmanager
def running(contestant: Contestant, options: argparse.Namespace) -> Iterator[ServerProcess]:
    """A contestant that answers."""
    folder, command = command_of(contestant, options)
    with serving(command, core=options.core, cwd=folder, log=WORK / f"large_{contestant.name}.log") as server:
        case = next(case for case in CASES if case.name == LARGE[-1])
        body, path, kind = bodies_of(case, NOTHING)[0], path_of(case, contestant), headers_of(case)["Content-Type"]
        first_answer_s(server, path, body, lambda response: response.status == 200, media_type=kind)
        yield server


def measure_case(server: ServerProcess, contestant: Contestant, case: Case, seconds: float) -> Cost:
    """One load, after a short one that warms up."""
    pool = write_pool(requests_of(case, contestant, NOTHING), WORK / f"{contestant.name}.{case.name}.pool")
    closed_loop(server.port, pool, connections=case.connections, seconds=1, core=LOAD_CORE)
    before = cpu_seconds(server)
    load = closed_loop(server.port, pool, connections=case.connections, seconds=seconds, core=LOAD_CORE)
    if load.failures or load.refused or not load.answers:
        raise BenchError(f"{contestant.name}, {case.title}: {load.failures} failures, refused {load.refused}")
    return (cpu_seconds(server) - before) / load.answers * 1000, load.answers / load.seconds


def answer_of(server: ServerProcess, contestant: Contestant, case: Case) -> Response:
    """To the first request of a case."""
    kind = headers_of(case)["Content-Type"]
    return post_all(server.port, path_of(case, contestant), bodies_of(case, NOTHING)[:1], kind)[0]


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both in turn, round by round."""
    cases = [case for case in CASES if case.name in LARGE]
    rounds, seconds = (1, 2) if options.short else (options.rounds, options.seconds)
    names = NAMES[:1] if options.no_control else NAMES
    found: dict[tuple[str, str], list[Cost]] = {}
    answers: dict[str, set[bytes]] = {}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            with running(named(name), options) as server:
                for case in cases:
                    answers.setdefault(case.name, set()).add(answer_of(server, named(name), case).body)
                    found.setdefault((name, case.name), []).append(measure_case(server, named(name), case, seconds))
            say(f"round {number + 1}, {name}: " + told(found, name, cases))
    for case in cases:
        if len(answers[case.name]) != 1:
            raise BenchError(f"{case.title}: the contestants answer differently")
        write(sheet, case, {name: found[name, case.name] for name in names})


def told(found: dict[tuple[str, str], list[Cost]], name: str, cases: list[Case]) -> str:
    """What was measured last."""
    return "; ".join("{} {:.1f} ms, {:.0f}/s".format(case.name, *found[name, case.name][-1]) for case in cases)


def write(sheet: Sheet, case: Case, costs: dict[str, list[Cost]]) -> None:
    """Two lines of the table, and the promise."""
    medians = {name: tuple(median(column) for column in zip(*rows, strict=True)) for name, rows in costs.items()}
    ours, theirs = medians[NAMES[0]], medians.get(NAMES[1])
    sheet.compare(f"{case.title}: processor time per request", ours[0], theirs[0] if theirs else None, " ms")
    sheet.compare(f"{case.title}: requests per second", ours[1], theirs[1] if theirs else None)
    if theirs:
        sheet.promise(f"{case.title}: share of FastAPI's processor time", ours[0] / theirs[0], "at most", 1.0)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of each load, default {SECONDS}")
    parser.add_argument("--core", type=int, default=0, help="of the servers; default 0, the load has core 1")
    sheet = Sheet("large_bodies", "Megabytes in and out", INTRODUCTION, "FastAPI, as experts write it")
    return main(sheet, parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

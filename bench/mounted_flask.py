"""A Flask application as it is, mounted, and behind Gunicorn with as many threads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.async_model import median
from bench.harness import environment
from bench.harness.asking import Caller, run
from bench.harness.errors import BenchError
from bench.harness.scenario import CONSTRAINTS, ROOT, WORK, Sheet, main, ours, say, wait_until
from bench.lineup import OURS, PEERS
from modelport.compare.processes import ServerProcess, serving
from modelport.compare.wrk import LoadResult, need_tools, run_wrk, write_bodies

INTRODUCTION = """\
One Flask application with a session, a `before_request` and an `after_request` function, in one file that both servers run, in one
process with as many threads: Gunicorn's `gthread` worker is the control. Both have the same single core, the load comes from
another one. Rounds alternate between the two, and the median counts. *quick* answers JSON with JSON; *waiting* sleeps for
10 ms in between, as a view that asks a database does."""
PATHS = ("quick", "waiting")
CONNECTIONS, THREADS, ROUNDS, SECONDS = 32, 8, 5, 8
BODIES = 1000
LEAST_TIMES = 0.9


class Contestant:
    """One server, and what its rounds have found."""

    def __init__(self, server: ServerProcess, options: argparse.Namespace, bodies: Path) -> None:
        self._server, self._options, self._bodies = server, options, bodies
        self._rounds: dict[str, list[LoadResult]] = {path: [] for path in PATHS}
        for path in PATHS:
            check(server, path)
            self._load(path, 1)

    def _load(self, path: str, seconds: int) -> LoadResult:
        url, core = f"http://127.0.0.1:{self._server.port}/{path}", int(self._options.load_core)
        return run_wrk(url, bodies=self._bodies, connections=self._options.connections, seconds=seconds, core=core)

    def round(self, path: str) -> None:
        """Load for a while."""
        found = self._load(path, self._options.seconds)
        if found.errors:
            raise BenchError(f"{found.errors} requests failed:\n{self._server.log_tail()}")
        self._rounds[path].append(found)
        say(f"{path}: {found.requests_per_s:,.0f}/s, p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms")

    def per_second(self, path: str) -> float:
        """The median round's answers."""
        return median([found.requests_per_s for found in self._rounds[path]])

    def p99_ms(self, path: str) -> float:
        """The slow end, in the median round."""
        return median([found.p99_ms for found in self._rounds[path]])


def check(server: ServerProcess, path: str) -> None:
    """Each answers what it was asked, with the header of the hook."""

    async def ask() -> None:
        reply = await Caller(server.port).post(f"/{path}", b'{"id": "seven"}')
        told = (reply.status, reply.body, reply.headers.get("x-user"))
        if told != (200, b'{"id":"seven","user":"nobody"}\n', "nobody"):
            raise BenchError(f"a wrong answer: {told}")

    run(ask())


@contextmanager
def gunicorn(options: argparse.Namespace) -> Iterator[ServerProcess]:
    """The control, ready."""
    command = [
        environment.python_of(PEERS),
        "-m",
        "gunicorn",
        "--bind",
        "127.0.0.1:{port}",
        "--worker-class",
        "gthread",
    ]
    command += ["--threads", str(options.threads), "bench.contestants.mounted_flask:app"]
    with serving(command, core=options.cores, cwd=ROOT, log=WORK / "control.log") as server:
        wait_until(server, "/livez")
        yield server


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both servers up at once, asked in turn."""
    need_tools()
    options.cores = options.server_core
    if options.short:
        options.rounds, options.seconds = 1, 2
    if not options.here:
        environment.install_tree(OURS, "flask", CONSTRAINTS)
    bodies = write_bodies((b'{"id": "%06d"}' % number for number in range(BODIES)), WORK / "mounted_flask.bodies")
    with ours(options, "mounted_flask", "--workers", "1", "--web-threads", str(options.threads)) as server:
        own = Contestant(server, options, bodies)
        if options.no_control:
            for path in PATHS * options.rounds:
                own.round(path)
            return report(sheet, own, None)
        with gunicorn(options) as other:
            theirs = Contestant(other, options, bodies)
            for path in PATHS * options.rounds:
                theirs.round(path)
                own.round(path)
    return report(sheet, own, theirs)


def report(sheet: Sheet, own: Contestant, theirs: Contestant | None) -> None:
    """The table and the promises."""
    for path in PATHS:
        sheet.compare(f"{path}: answers/s", own.per_second(path), theirs and theirs.per_second(path))
        sheet.compare(f"{path}: p99", own.p99_ms(path), theirs and theirs.p99_ms(path), " ms")
        if theirs is not None:
            times = own.per_second(path) / theirs.per_second(path)
            sheet.promise(f"{path}: answers/s, over Gunicorn's", times, "at least", LEAST_TIMES, "×")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"default {CONNECTIONS}")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"of each server, default {THREADS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each server and path, default {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"per round, default {SECONDS}")
    parser.add_argument("--server-core", default="0", help="of the servers; default 0")
    parser.add_argument("--load-core", default="1", help="of wrk; default 1")
    sheet = Sheet("mounted_flask", "A Flask application, unchanged", INTRODUCTION, control="Flask + Gunicorn")
    return main(sheet, parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

"""A thousand clients who each wait 50 ms for an upstream: what an `async def` model answers, and what each of them weighs."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path

from bench.harness.asking import Caller, run
from bench.harness.errors import BenchError
from bench.harness.scenario import WORK, Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess
from modelport.compare.usage import tree_pss_bytes
from modelport.compare.wrk import LoadResult, need_tools, run_wrk, write_bodies

INTRODUCTION = """\
A thousand clients in a closed loop ask a handler that awaits 50 ms, as one that asks another service does. Both servers have
the same single core, the load comes from another one. Rounds alternate between the two, and the median counts. Memory per
waiting request: PSS of the process tree under this load, less that after a first request, by the number of clients."""
CLIENTS, ROUNDS, SECONDS, SETTLE_S = 1000, 3, 10, 1.0
BODIES = 1000
LEAST_TIMES, MOST_MEMORY = 2.0, 2.5


class Contestant:
    """One server, and what its rounds have found."""

    def __init__(self, server: ServerProcess, options: argparse.Namespace, bodies: Path) -> None:
        self._server, self._options, self._bodies = server, options, bodies
        self.rounds: list[LoadResult] = []
        self.waiting_bytes: list[float] = []
        check(server)
        self._load(1, 1)  # whatever is made at the first call is there
        time.sleep(SETTLE_S)
        self.at_rest = tree_pss_bytes(server.process.pid)

    def _load(self, clients: int, seconds: int) -> LoadResult:
        url = f"http://127.0.0.1:{self._server.port}/predict"
        core = int(self._options.load_core)
        return run_wrk(url, bodies=self._bodies, connections=clients, seconds=seconds, core=core)

    def round(self) -> None:
        """Load for a while; weigh in the middle."""
        options = self._options
        weigh = threading.Timer(options.seconds / 2, self._weigh)
        weigh.start()
        found = self._load(options.clients, options.seconds)
        weigh.join()
        if found.errors:
            raise BenchError(f"{found.errors} requests failed:\n{self._server.log_tail()}")
        self.rounds.append(found)
        say(f"{found.requests_per_s:,.0f}/s, p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms")

    def _weigh(self) -> None:
        grown = tree_pss_bytes(self._server.process.pid) - self.at_rest
        self.waiting_bytes.append(max(0.0, grown) / self._options.clients)

    @property
    def per_second(self) -> float:
        """The median round's answers."""
        return median([found.requests_per_s for found in self.rounds])

    @property
    def waiting_kib(self) -> float:
        """What one waiting request weighs, in the median round."""
        return median(self.waiting_bytes) / 1024

    @property
    def p99_ms(self) -> float:
        """The slow end, in the median round."""
        return median([found.p99_ms for found in self.rounds])


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def check(server: ServerProcess) -> None:
    """Each answers what it was asked."""

    async def ask() -> None:
        reply = await Caller(server.port).post("/predict", b'{"id": "seven"}')
        if reply.status != 200 or reply.body != b'"seven"':
            raise BenchError(f"a wrong answer: {reply.status} {reply.body!r}")

    run(ask())


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """A model."""
    compare(options, sheet, "async_model", LEAST_TIMES)


def compare(options: argparse.Namespace, sheet: Sheet, target: str, least_times: float) -> None:
    """Both servers up at once, asked in turn."""
    need_tools()
    options.cores = options.server_core
    if options.short:
        options.rounds, options.seconds = 1, 3
    bodies = write_bodies((b'{"id": "%06d"}' % number for number in range(BODIES)), WORK / f"{target}.bodies")
    with ours(options, target, "--workers", "1") as server:
        own = Contestant(server, options, bodies)
        if options.no_control:
            for _ in range(options.rounds):
                own.round()
            return report(sheet, own, None, least_times)
        with control(options, "async_model") as other:
            theirs = Contestant(other, options, bodies)
            for _ in range(options.rounds):
                theirs.round()
                own.round()
    return report(sheet, own, theirs, least_times)


def report(sheet: Sheet, own: Contestant, theirs: Contestant | None, least_times: float) -> None:
    """The table and the promises."""
    sheet.compare("answers/s", own.per_second, theirs and theirs.per_second)
    sheet.compare("p99", own.p99_ms, theirs and theirs.p99_ms, " ms")
    sheet.compare("memory at rest", own.at_rest / 2**20, theirs and theirs.at_rest / 2**20, " MiB")
    sheet.compare("memory per waiting request", own.waiting_kib, theirs and theirs.waiting_kib, " KiB")
    if theirs is not None:
        sheet.promise("answers/s, over FastAPI's", own.per_second / theirs.per_second, "at least", least_times, "×")
        memory = own.waiting_kib / max(theirs.waiting_kib, 0.1)
        sheet.promise("memory per waiting request, over FastAPI's", memory, "at most", MOST_MEMORY, "×")


def options_of(description: str | None) -> argparse.ArgumentParser:
    """What can be said on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"default {CLIENTS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each server, default {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"per round, default {SECONDS}")
    parser.add_argument("--server-core", default="0", help="of the servers; default 0")
    parser.add_argument("--load-core", default="1", help="of wrk; default 1")
    return parser


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    sheet = Sheet("async_model", "Waiting for others", INTRODUCTION)
    return main(sheet, options_of(__doc__), measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

"""Eight workers, one model of 500 MB: how often it is in memory, and whether a killed worker costs more than its calls."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

from bench.harness.asking import Caller, Lost, Reply, run
from bench.harness.crowd import Tally, ask
from bench.harness.kills import Killer, role_of
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess, tree
from modelport.compare.usage import tree_pss_bytes

INTRODUCTION = """\
A model that is an array of 500 MB, served with one HTTP worker and with eight. PSS is summed over the process tree after
some calls. Then exactly 10,000 requests, `/metrics` read twenty times meanwhile, and one HTTP worker killed halfway."""
MEGABYTES, REQUESTS, CLIENTS, SCRAPES, SETTLE_S = 500, 10_000, 16, 20, 3.0
COUNTER = re.compile(rb"^modelport_requests_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def is_right(request: str, reply: Reply) -> bool:
    """The number and one."""
    return float(reply.body) == int(request) + 1


async def ask_many(port: int, count: int, tally: Tally) -> None:
    """Exactly so many requests, by sixteen clients."""
    numbers = iter(range(count))

    async def client() -> None:
        caller = Caller(port, limit_s=20)
        for number in numbers:
            await ask(caller, "/predict", str(number), b'{"x": %d}' % number, tally, is_right)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def weigh(server: ServerProcess) -> int:
    """PSS after a few calls and a rest, so that standbys have loaded, too."""
    run(ask_many(server.port, 500, Tally()))
    time.sleep(SETTLE_S)
    return tree_pss_bytes(server.process.pid)


def busiest_worker(top: int) -> int:
    """The HTTP worker with the most connections: the kernel does not share them out evenly."""
    workers = [pid for pid, _ in tree(top) if pid != top and role_of(pid) == "worker"]
    return max(workers, key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))


async def count_requests(port: int) -> float | None:
    """What /metrics says was asked; None where it does not say."""
    try:
        page = (await Caller(port, keep_alive=False).get("/metrics")).body
    except Lost:
        return None
    found = COUNTER.findall(page)
    return sum(map(float, found)) if found else None


@dataclass
class Counted:
    """Requests asked, the kill among them, and how far the counter had grown at each scrape and at the end."""

    tally: Tally = field(default_factory=Tally)
    killer: Killer = field(default_factory=lambda: Killer(0, random.Random(0)))
    counts: list[float] = field(default_factory=list)


async def count_and_kill(server: ServerProcess, options: argparse.Namespace, counted: Counted) -> None:
    """All requests, one kill halfway, and the counter on the way."""
    tally, killer, counts = counted.tally, counted.killer, counted.counts
    killer.top = server.process.pid
    before = await count_requests(server.port)

    async def watch() -> None:
        for step in range(1, SCRAPES + 1):
            while tally.total < options.requests * step // (SCRAPES + 1):  # noqa: ASYNC110  the tally is no event
                await asyncio.sleep(0.005)
            if step == SCRAPES // 2:
                os.kill(busiest_worker(killer.top), signal.SIGKILL)
                killer.kills.append((time.perf_counter(), "worker"))
            count = await count_requests(server.port)
            if count is not None and before is not None:
                counts.append(count - before)

    await asyncio.gather(ask_many(server.port, options.requests, tally), watch())
    end = await count_requests(server.port)
    if end is not None and before is not None:
        counts.append(end - before)


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """One worker and eight, ours and the control's."""
    if options.short:
        options.requests = 3000
    os.environ["BENCH_MODEL_MB"] = str(options.megabytes)
    pss: dict[tuple[int, str], int] = {}
    theirs: dict[int, int] = {}
    counted = Counted()
    for workers in (1, 8):
        with ours(options, "engine_big", "--workers", str(workers), "--standby", "off") as server:
            pss[workers, "off"] = weigh(server)
        with ours(options, "engine_big", "--workers", str(workers)) as server:
            pss[workers, "on"] = weigh(server)
            say(
                f"{workers} workers: {pss[workers, 'on'] / 1e6:.0f} MB, without a standby {pss[workers, 'off'] / 1e6:.0f} MB"
            )
            if workers == 8:
                run(count_and_kill(server, options, counted))
                say(f"{counted.tally.in_words()}; counted {counted.counts[-1:]}")
        if not options.no_control:
            with control(options, "engine_big", "--workers", str(workers)) as server:
                theirs[workers] = weigh(server)
    report(sheet, options, pss, theirs, counted)


def report(
    sheet: Sheet,
    options: argparse.Namespace,
    pss: dict[tuple[int, str], int],
    theirs: dict[int, int],
    counted: Counted,
) -> None:
    """The table and the promises."""
    tally, killer, counts = counted.tally, counted.killer, counted.counts
    for workers in (1, 8):
        other = theirs.get(workers)
        sheet.compare(f"PSS, {workers} workers", pss[workers, "on"] / 1e6, other and other / 1e6, " MB")
        sheet.compare(f"PSS, {workers} workers, --standby off", pss[workers, "off"] / 1e6, None, " MB")
    sheet.compare("what came back of the requests", tally.in_words())
    for standby in ("on", "off"):
        ratio = pss[8, standby] / pss[1, standby]
        sheet.promise(f"PSS with 8 workers over PSS with 1, --standby {standby}", ratio, "at most", 1.3, "×")
    sheet.note(
        "With its standby, which is the default, Modelport holds the model twice, however many workers there are."
    )
    sheet.promise("requests asked", tally.total, "at least", options.requests)
    sheet.promise("failures of requests not under way at the kill", len(killer.inexcusable(tally)), "at most", 0)
    sheet.promise("answers for somebody else", len(tally.mixed), "at most", 0)
    if counts:
        falls = sum(later < earlier for earlier, later in pairwise(counts))
        sheet.compare("counted by /metrics", f"{counts[-1]:,.0f}")
        sheet.promise("times the counter fell between two scrapes", falls, "at most", 0)
        answered = tally.total - len(tally.lost)
        wrong = max(0.0, answered - counts[-1], counts[-1] - tally.total)
        sheet.promise("requests counted wrongly, those the client saw fail left open", wrong, "at most", 0)
    else:
        sheet.note("/metrics tells no modelport_requests_total: the counter was not checked")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help=f"of the model, default {MEGABYTES}")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"default {REQUESTS:,}")
    return main(Sheet("engine_memory", "One copy of the model", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

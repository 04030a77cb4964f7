"""kill -9 of a random child every two seconds for a minute: only what was in flight there may fail."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field

from bench.harness.asking import Caller, Reply, closed_loop, run
from bench.harness.crowd import Tally, ask
from bench.harness.kills import Killer, longest_pause
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess

INTRODUCTION = """\
Sixteen clients ask a model of 5 ms without a pause, each request with an id that its answer must carry, while a random
child process of the server (an HTTP worker, the process that holds the model, or its standby) is killed every two
seconds. A failure is excused when its request was under way at the moment of a kill."""
CLIENTS, EVERY_S, SECONDS, WORKERS = 16, 2.0, 60.0, 2


@dataclass
class Seen:
    """What the clients saw of one server."""

    killer: Killer
    tally: Tally = field(default_factory=Tally)
    right: list[float] = field(default_factory=list)


def is_right(request: str, reply: Reply) -> bool:
    """The answer is the id."""
    return bool(json.loads(reply.body) == request)


def besiege(server: ServerProcess, options: argparse.Namespace) -> Seen:
    """Ask and kill at the same time."""
    seen = Seen(Killer(server.process.pid, random.Random(options.seed)))
    callers = [Caller(server.port, limit_s=20) for _ in range(CLIENTS)]
    numbers = iter(range(10**9))

    async def client(index: int) -> None:
        request = f"k{next(numbers)}"
        reply = await ask(
            callers[index], "/predict", request, json.dumps({"id": request}).encode(), seen.tally, is_right
        )
        if reply is not None and reply.status == 200:
            seen.right.append(time.perf_counter())
        elif reply is None:
            await asyncio.sleep(0.01)  # nobody listens: no need to ask ten thousand times a second

    async def everybody() -> None:
        await asyncio.gather(
            closed_loop(CLIENTS, options.seconds, client), seen.killer.keep_killing(EVERY_S, options.seconds)
        )

    run(everybody())
    server.check_alive()
    say(f"killed {seen.killer.in_words()}: {seen.tally.in_words()}, pause {longest_pause(seen.right) * 1000:.0f} ms")
    for failed in seen.killer.inexcusable(seen.tally)[:5]:
        say(f"    {failed}")
    return seen


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Ours, then the control."""
    if options.short:
        options.seconds = 12.0
    with ours(options, "engine_echo", "--workers", str(options.workers)) as server:
        mine = besiege(server, options)
    theirs = None
    if not options.no_control:
        with control(options, "engine_echo", "--workers", str(options.workers)) as server:
            theirs = besiege(server, options)
    sheet.compare("killed", mine.killer.in_words(), theirs and theirs.killer.in_words())
    sheet.compare("what came back", mine.tally.in_words(), theirs and theirs.tally.in_words())
    sheet.compare("failed, under way at a kill", *_pair(mine, theirs, excused=True))
    sheet.compare("failed, not under way at any kill", *_pair(mine, theirs, excused=False))
    pause = theirs and longest_pause(theirs.right) * 1000
    sheet.compare("longest time without a right answer", longest_pause(mine.right) * 1000, pause, " ms")
    sheet.promise(
        "failures of requests not under way at a kill", len(mine.killer.inexcusable(mine.tally)), "at most", 0
    )
    sheet.promise("answers for somebody else", len(mine.tally.mixed), "at most", 0)
    sheet.promise("failures per kill", mine.tally.failed / max(1, len(mine.killer.kills)), "at most", CLIENTS)


def _pair(mine: Seen, theirs: Seen | None, excused: bool) -> tuple[int, int | None]:
    def count(seen: Seen) -> int:
        bad = len(seen.killer.inexcusable(seen.tally))
        return len(seen.tally.lost) + len(seen.tally.failures) - bad if excused else bad

    return count(mine), None if theirs is None else count(theirs)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default {SECONDS:g}")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"default {WORKERS}")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of victims; default 1")
    return main(Sheet("engine_kills", "Killed children", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

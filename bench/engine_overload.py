"""Six times more requests than the model can answer, for a minute: who is answered, who is refused, and how soon."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass, field

from bench.harness.asking import Caller, Reply, closed_loop, open_loop, run
from bench.harness.crowd import Tally, ask
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess
from modelport.compare.usage import tree_pss_bytes

INTRODUCTION = """\
A model of 50 ms, one call at a time. Its capacity is measured in a closed loop, then requests come six times as fast,
at a fixed rate, each on a connection of its own and with two seconds to live (`Request-Timeout: 2`). An answer counts
as good when it is right and within these two seconds, as the client measures it. The flood is repeated with
`--latency-target 125ms`, which keeps the queue shorter than the deadline would."""
TIMES, SECONDS, DEADLINE_S = 6.0, 60.0, 2.0
TARGET_MS = 125
SLACK_S = 0.05  # the client's own clock starts before the server's


@dataclass
class Flood:
    """One server under too many requests."""

    capacity: float = 0.0
    tally: Tally = field(default_factory=Tally)
    without_retry: int = 0
    pss: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> float:
        """Right answers in time, per second; the last of them come a deadline after the last request."""
        return sum(s <= DEADLINE_S + SLACK_S for s in self.tally.seconds.get(200, [])) / (self.seconds + DEADLINE_S)

    @property
    def late(self) -> int:
        """Accepted, and not answered within the deadline."""
        late = sum(s > DEADLINE_S + SLACK_S for s in self.tally.seconds.get(200, []))
        return late + self.tally.statuses[504] + len(self.tally.lost)


def is_right(request: str, reply: Reply) -> bool:
    """The answer is the id."""
    return bool(json.loads(reply.body) == request)


def body_of(request: str) -> bytes:
    """The id alone."""
    return json.dumps({"id": request}).encode()


def flood(server: ServerProcess, options: argparse.Namespace) -> Flood:
    """Measure the capacity, then exceed it."""
    found = Flood(seconds=options.seconds)
    run(measure_capacity(server.port, min(10.0, options.seconds), found))
    say(f"capacity {found.capacity:.1f}/s")
    run(exceed(server, options, found))
    say(f"{found.tally.in_words()}; good {found.good:.1f}/s; refused p99 {found.tally.at(0.99, 503):.1f} ms")
    return found


async def measure_capacity(port: int, seconds: float, found: Flood) -> None:
    """Four clients, so that the model never waits for one."""
    callers, tally, number = [Caller(port) for _ in range(4)], Tally(), iter(range(10**9))

    async def client(index: int) -> None:
        request = f"c{next(number)}"
        await ask(callers[index], "/predict", request, body_of(request), tally, is_right)

    elapsed = await closed_loop(4, seconds, client)
    found.capacity = tally.statuses[200] / elapsed


async def exceed(server: ServerProcess, options: argparse.Namespace, found: Flood) -> None:
    """The flood, with a look at the memory every second."""

    async def one(number: int) -> None:
        caller = Caller(server.port, keep_alive=False)
        request, headers = f"r{number}", f"request-timeout: {DEADLINE_S:g}\r\n"
        reply = await ask(caller, "/predict", request, body_of(request), found.tally, is_right, headers)
        if reply is not None and reply.status == 503:
            found.without_retry += not reply.headers.get("retry-after", "").isdecimal()

    async def weigh() -> None:
        while True:
            found.pss.append(await asyncio.to_thread(tree_pss_bytes, server.process.pid))
            await asyncio.sleep(1)

    weighing = asyncio.ensure_future(weigh())
    await open_loop(found.capacity * options.times, options.seconds, one)
    weighing.cancel()


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Ours, then the control."""
    if options.short:
        options.seconds = 6.0
    with ours(options, "engine_slow") as server:
        mine = flood(server, options)
    with ours(options, "engine_slow", "--latency-target", f"{TARGET_MS}ms") as server:
        quick = flood(server, options)
    theirs = None
    if not options.no_control:
        with control(options, "engine_slow") as server:
            theirs = flood(server, options)
    sheet.compare("capacity, answers/s", mine.capacity, theirs and theirs.capacity)
    sheet.compare("right answers in time, per second", mine.good, theirs and theirs.good)
    sheet.compare("what came back", mine.tally.in_words(), theirs and theirs.tally.in_words())
    sheet.compare("answered 200: p99", mine.tally.at(0.99), theirs and theirs.tally.at(0.99), " ms")
    sheet.compare(f"the same with --latency-target {TARGET_MS}ms", quick.tally.at(0.99), None, " ms")
    sheet.compare("right answers in time, per second, with that target", quick.good)
    sheet.compare("refused 503: p99", mine.tally.at(0.99, 503), None, " ms")
    settled = mine.pss[len(mine.pss) // 4 :]
    sheet.promise("right answers in time over capacity", mine.good / mine.capacity, "at least", 0.9, "×")
    sheet.promise("refusals, p99", mine.tally.at(0.99, 503), "at most", 100, " ms")
    sheet.promise("refusals without an integer Retry-After", mine.without_retry, "at most", 0)
    sheet.promise("accepted and not answered within the deadline", mine.late, "at most", 0)
    sheet.promise("answers for somebody else", len(mine.tally.mixed), "at most", 0)
    sheet.promise("with the target: answered, p99", quick.tally.at(0.99), "at most", 3 * 50, " ms")
    sheet.promise("with the target: right answers over capacity", quick.good / quick.capacity, "at least", 0.9, "×")
    sheet.promise("PSS at the end over PSS after a quarter", settled[-1] / settled[0], "at most", 1.05, "×")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=float, default=TIMES, help=f"the capacity, default {TIMES:g}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default {SECONDS:g}")
    return main(Sheet("engine_overload", "Overload", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

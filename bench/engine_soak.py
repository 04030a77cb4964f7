"""Ten minutes of everything at once: kills, clients that leave, slow readers, garbage, poison; nothing may grow or be mixed up."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.harness.asking import Caller, Reply, closed_loop, run
from bench.harness.crowd import Tally, ask
from bench.harness.kills import Killer
from bench.harness.scenario import Sheet, main, ours, say
from modelport.compare.processes import ServerProcess, tree
from modelport.compare.usage import tree_pss_bytes

INTRODUCTION = """\
Twelve clients ask three models without a pause and check that each answer carries their own id; one item in two hundred
is poison for its batch. Beside them, all the time: clients that leave before their answer, readers that take their answer
a kilobyte at a time, connections that send garbage, and a random child process killed every ten seconds, until the last
tenth of the run. Memory (PSS), open descriptors and threads of all processes are read every five seconds; the medians of
the second and of the last quarter are compared. There is no control: Uvicorn has none of these promises to keep."""
SECONDS, CLIENTS, KILL_S, SAMPLE_S = 600.0, 12, 10.0, 5.0
POISON_EVERY = 200
GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /models/single/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n{{{{{",
    b"POST /models/batched/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n\xff\xfe\x00\x01\x02\x03",
    b"POST /models/single/predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST /models/single/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\n\r\n{",
    b"A" * 70_000,
)


@dataclass
class Soak:
    """One long run."""

    server: ServerProcess
    dice: random.Random
    seconds: float
    tally: Tally = field(default_factory=Tally)
    asked: int = 0
    others: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[int, int, int]] = field(default_factory=list)

    async def client(self, index: int, callers: list[Caller]) -> None:
        """One request to one of the models."""
        self.asked += 1
        model = ("single", "batched", "long")[0 if index < 5 else 1 if index < 11 else 2]
        poison = model == "batched" and self.asked % POISON_EVERY == 0
        request = f"{'poison' if poison else model}-{self.asked}"
        body = json.dumps(request if model == "batched" else {"id": request}).encode()
        reply = await ask(callers[index], f"/models/{model}/predict", request, body, self.tally, is_right)
        if reply is None:
            await asyncio.sleep(0.01)

    async def leave(self) -> None:
        """Ask, and go before the answer."""
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            model = self.dice.choice(("single", "batched", "long"))
            body = json.dumps("leaving" if model == "batched" else {"id": "leaving"}).encode()
            head = f"POST /models/{model}/predict HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await asyncio.sleep(self.dice.random() * 0.01)
            writer.transport.abort()

    async def read_slowly(self) -> None:
        """A long answer, a kilobyte at a time, for a while."""
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=2048)
            body = b'{"id": "slow"}'
            writer.write(
                b"POST /models/long/predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )
            for _ in range(40):
                await reader.read(1024)
                await asyncio.sleep(0.05)
            writer.transport.abort()

    async def send_garbage(self) -> None:
        """What is no request, or none that can be answered well."""
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(self.dice.choice(GARBAGE))
            await asyncio.wait_for(reader.read(4096), 0.2)
            writer.transport.abort()

    async def repeat(self, name: str, what: Callable[[], Awaitable[None]]) -> None:
        """Until the end."""
        started = time.perf_counter()
        while time.perf_counter() - started < self.seconds:
            await what()
            self.others[name] = self.others.get(name, 0) + 1
            await asyncio.sleep(0.02)

    async def sample(self) -> None:
        """Weigh and count all processes."""
        while True:
            self.samples.append(await asyncio.to_thread(_sizes, self.server.process.pid))
            await asyncio.sleep(min(SAMPLE_S, self.seconds / 40))

    async def everything(self, killer: Killer) -> None:
        """At once."""
        callers = [Caller(self.server.port, limit_s=40) for _ in range(CLIENTS)]
        sampling = asyncio.ensure_future(self.sample())
        await asyncio.gather(
            closed_loop(CLIENTS, self.seconds, lambda index: self.client(index, callers)),
            self.repeat("clients that left", self.leave),
            *(self.repeat("slow readers", self.read_slowly) for _ in range(3)),
            self.repeat("pieces of garbage", self.send_garbage),
            killer.keep_killing(min(KILL_S, self.seconds / 6), self.seconds * 0.9),
        )
        sampling.cancel()


def is_right(request: str, reply: Reply) -> bool:
    """The id, once or many times."""
    answer = json.loads(reply.body)
    return bool(set(answer) == {request} if isinstance(answer, list) else answer == request)


def _sizes(top: int) -> tuple[int, int, int]:
    """PSS, open descriptors and threads of a process tree."""
    descriptors = threads = 0
    for pid, _ in tree(top):
        with suppress(OSError):
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            threads += len(os.listdir(f"/proc/{pid}/task"))
    return tree_pss_bytes(top), descriptors, threads


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """The soak."""
    if options.short:
        options.seconds = 20.0
    with ours(options, "engine_mixed", "--workers", "2") as server:
        soak = Soak(server, random.Random(options.seed), options.seconds)
        killer = Killer(server.process.pid, soak.dice)
        run(soak.everything(killer))
        server.check_alive()
        log = Path(server.log).read_text(errors="replace")
    report(sheet, soak, killer, log)


def report(sheet: Sheet, soak: Soak, killer: Killer, log: str) -> None:
    """The table and the promises."""
    tally = soak.tally
    tally.failures = [each for each in tally.failures if not (each.status == 500 and each.request.startswith("poison"))]
    bad = killer.inexcusable(tally)
    for failed in bad[:5]:
        say(f"    {failed}")
    for mixed in tally.mixed[:5]:
        say(f"    {mixed[:200]}")
    sheet.compare("what came back", tally.in_words())
    sheet.compare("killed", killer.in_words())
    for name, count in soak.others.items():
        sheet.compare(name, count)
    quarter = len(soak.samples) // 4
    early, late = soak.samples[quarter : 2 * quarter], soak.samples[-quarter:]
    for index, (name, unit, scale, limit) in enumerate(
        (("PSS", " MB", 1e6, 1.05), ("open descriptors", "", 1, 1.1), ("threads", "", 1, 1.1))
    ):
        before, after = (median(sample[index] for sample in part) for part in (early, late))
        sheet.compare(f"{name}, second and last quarter", f"{before / scale:,.0f} and {after / scale:,.0f}{unit}")
        sheet.promise(f"{name}, last quarter over second", after / before, "at most", limit, "×")
    sheet.promise("failures of requests that were no poison and not under way at a kill", len(bad), "at most", 0)
    sheet.promise("answers for somebody else", len(tally.mixed), "at most", 0)
    sheet.promise("tracebacks in the log", log.count("Traceback"), "at most", 0)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default {SECONDS:g}")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    sheet = Sheet("engine_soak", "Soak", INTRODUCTION)
    return main(sheet, parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

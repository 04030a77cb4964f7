"""Two thousand callers who never finish their head and five hundred who stall their body: does anybody else notice?"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from bench.harness.asking import Caller, Reply, closed_loop, run
from bench.harness.crowd import Tally, ask
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess

INTRODUCTION = """\
Four clients ask a model of 5 ms, at first alone. Then 2,000 connections send half a head and one more byte every few seconds, 500
send a head and half a body, and all of them wait. How long the four wait is compared, and when the others are cut."""
HEADS, BODIES, CLIENTS, SECONDS, ALONE_S = 2000, 500, 4, 60.0, 10.0
HALF_HEAD = b"POST /predict HTTP/1.1\r\nhost: a\r\nx-slow: "
HALF_BODY = b'POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id": '


@dataclass
class Siege:
    """What the clients and the slow callers saw of one server."""

    alone: Tally = field(default_factory=Tally)
    beside: Tally = field(default_factory=Tally)
    cut_after: list[float] = field(default_factory=list)
    refused: int = 0

    async def everything(self, port: int, options: argparse.Namespace) -> None:
        """First without them, then with them."""
        await self._clients(port, min(ALONE_S, options.seconds), self.alone)
        slow = [
            asyncio.ensure_future(self._stall(port, HALF_HEAD, True, options.seconds)) for _ in range(options.heads)
        ]
        slow += [
            asyncio.ensure_future(self._stall(port, HALF_BODY, False, options.seconds)) for _ in range(options.bodies)
        ]
        await self._clients(port, options.seconds, self.beside)
        for each in slow:
            each.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    async def _clients(self, port: int, seconds: float, tally: Tally) -> None:
        callers, asked = [Caller(port) for _ in range(CLIENTS)], 0

        async def client(index: int) -> None:
            nonlocal asked
            asked += 1
            request = f"r{asked}"
            await ask(callers[index], "/predict", request, json.dumps({"id": request}).encode(), tally, is_right)

        await closed_loop(CLIENTS, seconds, client)

    async def _stall(self, port: int, beginning: bytes, drip: bool, seconds: float) -> None:
        """One slow caller, until it is cut."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.refused += 1
            return
        started = time.perf_counter()
        writer.write(beginning)
        dripping = asyncio.ensure_future(self._drip(writer)) if drip else None
        try:
            with suppress(OSError):
                while await reader.read(4096):
                    pass
            self.cut_after.append(time.perf_counter() - started)
        finally:
            if dripping is not None:
                dripping.cancel()
            writer.transport.abort()

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(3)
            writer.write(b"a")


def is_right(request: str, reply: Reply) -> bool:
    """The answer is the id."""
    return bool(json.loads(reply.body) == request)


def besiege(server: ServerProcess, options: argparse.Namespace) -> Siege:
    """One server."""
    siege = Siege()
    run(siege.everything(server.port, options))
    say(
        f"p99 {siege.alone.at(0.99):.1f} ms alone, {siege.beside.at(0.99):.1f} ms beside them; {len(siege.cut_after)} were cut"
    )
    return siege


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Ours, then the control."""
    if options.short:
        options.seconds, options.heads, options.bodies = 30.0, 200, 50
    with ours(options, "engine_echo", "--workers", "2") as server:
        mine = besiege(server, options)
    theirs = None
    if not options.no_control:
        with control(options, "engine_echo", "--workers", "2") as server:
            theirs = besiege(server, options)
    total = options.heads + options.bodies
    sheet.compare("p99 alone", mine.alone.at(0.99), theirs and theirs.alone.at(0.99), " ms")
    sheet.compare("p99 beside slow callers", mine.beside.at(0.99), theirs and theirs.beside.at(0.99), " ms")
    sheet.compare("slow callers that were cut", len(mine.cut_after), theirs and len(theirs.cut_after))
    last = max(mine.cut_after, default=0.0)
    sheet.compare("the last of them after", last, theirs and max(theirs.cut_after, default=0.0), " s")
    sheet.promise("p99 beside them over p99 alone", mine.beside.at(0.99) / mine.alone.at(0.99), "at most", 2, "×")
    sheet.promise("failed requests", mine.alone.failed + mine.beside.failed, "at most", 0)
    sheet.promise("slow callers that were not cut", total - len(mine.cut_after), "at most", 0)
    sheet.promise("the last of them was cut after", last, "at most", 35, " s")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=HEADS, help=f"default {HEADS}")
    parser.add_argument("--bodies", type=int, default=BODIES, help=f"default {BODIES}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default {SECONDS:g}")
    return main(Sheet("engine_slow_callers", "Slow callers", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

"""Batching without tuning: two hundred clients on a model that batching helps, on one it does not, and with poison."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.harness.asking import Caller, Reply, closed_loop, run
from bench.harness.crowd import Tally, ask
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess

INTRODUCTION = """\
A model of 20 ms and 1 ms per item that raises when it is entered twice at once, asked by two hundred clients who each
wait for their answer; then with one poison item in a hundred; then a model of 21 ms per item, which batching cannot help."""
CLIENTS, SECONDS, POISON_EVERY = 200, 20.0, 100
REENTERED = Path("build/bench/reentered")


def is_right(request: str, reply: Reply) -> bool:
    """Each answer names the item it is for."""
    return bool(json.loads(reply.body) == f"answer to {request}")


def crowd(server: ServerProcess, path: str, options: argparse.Namespace, bare: bool, poison: bool = False) -> Tally:
    """Two hundred clients for a while. `bare`: the item is the body itself."""
    tally = Tally()
    callers = [Caller(server.port) for _ in range(options.clients)]
    asked = 0

    async def client(number: int) -> None:
        nonlocal asked
        asked += 1
        request = f"{'poison' if poison and asked % POISON_EVERY == 0 else 'item'} {number}-{asked}"
        await ask(
            callers[number], path, request, json.dumps(request if bare else {"item": request}).encode(), tally, is_right
        )

    async def everybody() -> None:
        tally.elapsed = await closed_loop(options.clients, options.seconds, client)

    run(everybody())
    say(f"{path}: {tally.in_words()}; {rate(tally):.0f}/s, p99 {tally.at(0.99):.0f} ms")
    return tally


def rate(tally: Tally) -> float:
    """Right answers per second."""
    return tally.statuses[200] / tally.elapsed


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Off, on, poisoned, linear; then the control."""
    if options.short:
        options.seconds = 3.0
    REENTERED.unlink(missing_ok=True)
    with ours(options, "engine_batching", "--queue-rows", "4096") as server:
        found = {
            "off": crowd(server, "/models/off/predict", options, bare=False),
            "on": crowd(server, "/models/on/predict", options, bare=True),
            "poisoned": crowd(server, "/models/on/predict", options, bare=True, poison=True),
            "linear_off": crowd(server, "/models/linear_off/predict", options, bare=False),
            "linear_on": crowd(server, "/models/linear_on/predict", options, bare=True),
        }
    theirs = None
    if not options.no_control:
        with control(options, "engine_batching") as server:
            theirs = crowd(server, "/predict", options, bare=False)
    report(sheet, found, theirs)


def report(sheet: Sheet, found: dict[str, Tally], theirs: Tally | None) -> None:
    """The table and the promises."""
    off, on, poisoned = found["off"], found["on"], found["poisoned"]
    sheet.compare("20 ms + 1 ms per item, one at a time: answers/s", rate(off), theirs and rate(theirs))
    sheet.compare("the same, p99", off.at(0.99), theirs and theirs.at(0.99), " ms")
    sheet.compare("batched: answers/s", rate(on))
    sheet.compare("the same, p99", on.at(0.99), None, " ms")
    sheet.compare("batched, 1 % poison: what came back", poisoned.in_words())
    sheet.compare("21 ms per item, one at a time: p99", found["linear_off"].at(0.99), None, " ms")
    sheet.compare("the same with batching allowed: p99", found["linear_on"].at(0.99), None, " ms")
    entered = REENTERED.stat().st_size if REENTERED.exists() else 0
    innocent = sum(
        (tally.total - tally.statuses[200] for name, tally in found.items() if name != "poisoned"),
        sum(1 for each in poisoned.failures if each.status != 500) + len(poisoned.lost),
    )
    guilty = sum(1 for each in poisoned.failures if each.status == 500)
    asked = poisoned.total // POISON_EVERY
    sheet.promise("answers/s, batched over one at a time", rate(on) / rate(off), "at least", 5, "×")
    sheet.promise("calls that entered the model while it ran", entered, "at most", 0)
    sheet.promise("answers for somebody else", sum(len(t.mixed) for t in found.values()), "at most", 0)
    sheet.promise("failures of requests that were no poison", innocent, "at most", 0)
    sheet.promise("failures with poison, beyond the poison asked", max(0, guilty - asked), "at most", 0)
    ratio = found["linear_on"].at(0.99) / found["linear_off"].at(0.99)
    sheet.promise("p99 where batching cannot help, allowed over not", ratio, "at most", 1.1, "×")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"default {CLIENTS}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"per variant, default {SECONDS:g}")
    return main(Sheet("engine_batching", "Batching", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

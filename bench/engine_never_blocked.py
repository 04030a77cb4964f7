"""A model that blocks must not block the probes: ten calls of a second each, and /livez every 50 ms meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time

from bench.harness.asking import Caller, Lost, percentile, run
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ServerProcess

MODELS = {"async_burn": "async def that burns CPU", "burn": "def that burns CPU", "hold": "C call that holds the GIL"}
INTRODUCTION = """\
Ten calls at once of a handler that takes a second of processor or of the interpreter's lock, while a prober asks
`/livez` every 50 ms on a connection of its own, a new one each time."""
CALLS, PROBE_S, SECONDS = 10, 0.05, 12.0
LIMIT_S = 5.0


class Probing:
    """What the prober and the callers saw of one handler."""

    def __init__(self) -> None:
        self.probes: list[float] = []
        self.probes_failed = 0
        self.answered = 0

    async def measure(self, port: int, model: str, calls: int, seconds: float) -> None:
        """Probe for so long; the calls begin at once."""
        work = [asyncio.ensure_future(self._call(port, model, number)) for number in range(calls)]
        started = time.perf_counter()
        asked = []
        for beat in range(int(seconds / PROBE_S)):
            await asyncio.sleep(max(0.0, started + beat * PROBE_S - time.perf_counter()))
            asked.append(asyncio.ensure_future(self._probe(port)))  # a slow one does not put off the next
        await asyncio.gather(*asked, *work)

    async def _call(self, port: int, model: str, number: int) -> None:
        try:
            reply = await Caller(port).post(f"/models/{model}/predict", b'{"x": %d}' % number)
            self.answered += reply.status == 200 and float(reply.body) == number
        except Lost as lost:
            say(f"a call of {model} was lost: {lost}")

    async def _probe(self, port: int) -> None:
        try:
            reply = await Caller(port, keep_alive=False, limit_s=LIMIT_S).get("/livez")
            self.probes.append(reply.seconds)
            self.probes_failed += reply.status != 200
        except Lost:
            self.probes_failed += 1
            self.probes.append(LIMIT_S)

    @property
    def p99_ms(self) -> float:
        """The slow end of the probes."""
        return percentile(self.probes, 0.99) * 1000


def probe_all(server: ServerProcess, options: argparse.Namespace) -> dict[str, Probing]:
    """Every handler in turn."""
    found = {}
    for model in MODELS:
        found[model] = Probing()
        run(found[model].measure(server.port, model, options.calls, options.seconds))
        say(f"{model}: /livez p99 {found[model].p99_ms:.1f} ms, {found[model].probes_failed} failed")
    return found


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Ours, then the control."""
    if options.short:
        options.calls, options.seconds = 3, 3.5
    with ours(options, "engine_blocking") as server:
        own = probe_all(server, options)
        log = server.log.read_text(errors="replace")
    other: dict[str, Probing] = {}
    if not options.no_control:
        with control(options, "engine_blocking") as server:
            other = probe_all(server, options)
    for model, words in MODELS.items():
        mine, theirs = own[model], other.get(model)
        sheet.compare(f"{words}: /livez p99", mine.p99_ms, theirs and theirs.p99_ms, " ms")
        sheet.compare(
            f"{words}: /livez failed or over {LIMIT_S:g} s", mine.probes_failed, theirs and theirs.probes_failed
        )
        sheet.compare(f"{words}: calls answered", mine.answered, theirs and theirs.answered)
        warnings = re.findall(rf"\b{model} \(\S+engine_blocking\.py:\d+\)", log)
        sheet.promise(f"/livez p99, {words}", mine.p99_ms, "at most", 50, " ms")
        sheet.promise(f"/livez failures, {words}", mine.probes_failed, "at most", 0)
        sheet.promise(f"calls answered, {words}", mine.answered, "at least", options.calls)
        sheet.promise(
            f"warnings naming file and line, missing or repeated, {words}", abs(len(warnings) - 1), "at most", 0
        )


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"at once, default {CALLS}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of probing per handler, default {SECONDS:g}")
    return main(Sheet("engine_never_blocked", "Never blocked", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

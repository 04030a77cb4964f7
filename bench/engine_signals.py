"""SIGTERM and SIGHUP under load: nobody who asks may notice that a server is replaced."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from bench.harness.asking import Caller, Lost, Reply, run
from bench.harness.crowd import Tally, ask
from bench.harness.errors import BenchError
from bench.harness.kills import role_of
from bench.harness.scenario import Sheet, control, main, ours, say
from modelport.compare.processes import ProcessId, ServerProcess, free_port, tree

INTRODUCTION = """\
Sixteen clients ask a model of 5 ms without a pause while the servers get signals, five times each. For SIGTERM there are
two instances, as behind a load balancer: a poller asks both for their readiness every 0.2 s, clients go where it is
good, and the instances are ended and started again one after the other. For SIGHUP there is one instance, which replaces
itself. A failure is every request without a right answer with status 200; nothing is asked twice."""
ROUNDS, CLIENTS, POLL_S = 5, 16, 0.2
REPLACED_LIMIT_S = 60.0
BETWEEN_S = 0.7  # of load between two signals

Start = Callable[..., AbstractContextManager[ServerProcess]]


@dataclass
class Fleet:
    """Instances on fixed ports, and those that the poller found ready."""

    start: Start
    ready_path: str
    ports: list[int]
    servers: dict[int, ServerProcess] = field(default_factory=dict)
    stacks: dict[int, ExitStack] = field(default_factory=dict)
    ready: list[int] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    over: bool = False

    def begin(self, port: int) -> None:
        """Start an instance and wait until it is ready."""
        self.stacks[port] = ExitStack()
        name = f"{'ours' if self.ready_path == '/readyz' else 'control'}{self.ports.index(port)}"
        self.servers[port] = self.stacks[port].enter_context(self.start(name=name, port=port))

    def end(self, port: int) -> None:
        """Ask an instance to end and wait until it has."""
        process = self.servers[port].process
        process.send_signal(signal.SIGTERM)
        self.exit_codes.append(process.wait(REPLACED_LIMIT_S))
        self.stacks[port].close()

    def replace(self) -> None:
        """SIGHUP: until every process that can be is another, and there are as many as before."""
        (port,) = self.ports
        top = self.servers[port].process.pid
        before = self._replaceable(top)
        self.servers[port].process.send_signal(signal.SIGHUP)
        end = time.monotonic() + REPLACED_LIMIT_S
        while len(now := self._replaceable(top)) != len(before) or now & before:
            if time.monotonic() > end:
                raise BenchError(f"not replaced: {len(now & before)} of {len(before)} processes are the old ones")
            self.servers[port].check_alive()
            time.sleep(0.05)

    @staticmethod
    def _replaceable(top: int) -> set[ProcessId]:
        """All but the first, and the standard library's helper that stays with it."""
        return {each for each in tree(top) if each.pid != top and role_of(each.pid)}

    async def poll(self) -> None:
        """What a load balancer does."""
        while not self.over:
            self.ready = [port for port in self.ports if await self._is_ready(port)]
            await asyncio.sleep(POLL_S)

    async def _is_ready(self, port: int) -> bool:
        try:
            return (await Caller(port, keep_alive=False, limit_s=5).get(self.ready_path)).status == 200
        except Lost:
            return False


def is_right(request: str, reply: Reply) -> bool:
    """The answer is the id."""
    return bool(json.loads(reply.body) == request)


async def client(fleet: Fleet, number: int, keep_alive: bool, tally: Tally) -> None:
    """Ask without a pause, now here, now there."""
    callers = {port: Caller(port, keep_alive=keep_alive, limit_s=20) for port in fleet.ports}
    turn = number
    while not fleet.over:
        turn += 1
        if not fleet.ready:
            await asyncio.sleep(0.01)
            continue
        port = fleet.ready[turn % len(fleet.ready)]
        request = f"{number}-{turn}"
        await ask(callers[port], "/predict", request, json.dumps({"id": request}).encode(), tally, is_right)


async def under_load(fleet: Fleet, keep_alive: bool, signals: Callable[[], None]) -> Tally:
    """Ask while the signals are sent from a thread."""
    tally = Tally()
    for port in fleet.ports:
        await asyncio.to_thread(fleet.begin, port)
    polling = asyncio.ensure_future(fleet.poll())
    clients = [asyncio.ensure_future(client(fleet, n, keep_alive, tally)) for n in range(CLIENTS)]
    try:
        await asyncio.to_thread(signals)
    finally:
        fleet.over = True
        await asyncio.gather(polling, *clients)
        for port in fleet.ports:
            await asyncio.to_thread(fleet.stacks[port].close)
    return tally


def trial(options: argparse.Namespace, fleet: Fleet, name: str, keep_alive: bool) -> Tally:
    """One kind of signal, five rounds, at least so many requests."""
    tally = Tally()

    def signals() -> None:
        for _ in range(options.rounds):
            time.sleep(BETWEEN_S)
            if name == "SIGHUP":
                fleet.replace()
                continue
            for port in fleet.ports:
                fleet.end(port)
                fleet.begin(port)
                time.sleep(BETWEEN_S)
        time.sleep(BETWEEN_S)

    async def body() -> None:
        nonlocal tally
        tally = await under_load(fleet, keep_alive, signals)

    run(body())
    return tally


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Every combination, ours and the control's."""
    if options.short:
        options.rounds = 2

    def our_start(workers: int) -> Start:
        return lambda **kwargs: ours(options, "engine_echo", "--workers", str(workers), **kwargs)

    def their_start(workers: int) -> Start:
        return lambda **kwargs: control(options, "engine_echo", "--workers", str(workers), **kwargs)

    for name in options.signals.split(","):
        for workers in map(int, options.workers.split(",")):
            for keep_alive in (True, False):
                how = f"{name}, {workers} worker{'s' * (workers > 1)}, {'keep-alive' if keep_alive else 'close'}"
                ports = [free_port() for _ in range(2 if name == "SIGTERM" else 1)]
                fleet = Fleet(our_start(workers), "/readyz", ports)
                tally = trial(options, fleet, name, keep_alive)
                said = f"{tally.failed} of {tally.total:,} failed ({tally.in_words()})"
                say(f"{how}: {said}")
                for failed in sorted([*tally.lost, *tally.failures])[:3]:
                    say(f"    {failed}")
                theirs = None
                if not options.no_control and (name, workers) != (
                    "SIGHUP",
                    1,
                ):  # Uvicorn ends at SIGHUP without workers
                    other = Fleet(their_start(workers), "/livez", ports)
                    control_tally = trial(options, other, name, keep_alive)
                    theirs = f"{control_tally.failed} of {control_tally.total:,}"
                    say(f"    control: {theirs} failed ({control_tally.in_words()})")
                sheet.compare(f"{how}: failed", f"{tally.failed} of {tally.total:,}", theirs)
                sheet.promise(f"{how}: failed", tally.failed, "at most", 0)
                sheet.promise(f"{how}: requests", tally.total, "at least", 0 if options.short else 10_000)
                if name == "SIGTERM":
                    sheet.promise(f"{how}: exit codes other than 0", sum(map(bool, fleet.exit_codes)), "at most", 0)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--signals", default="SIGTERM,SIGHUP", help="default SIGTERM,SIGHUP")
    parser.add_argument("--workers", default="1,4", help="default 1,4")
    return main(Sheet("engine_signals", "Ending and replacing", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())

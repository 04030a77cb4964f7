"""The bundled load generator: one process, one epoll loop, no dependency.

    python -m modelport.compare.loadgen --port 8000 --pool pool --connections 32 --seconds 3             # closed loop
    python -m modelport.compare.loadgen --port 8000 --pool pool --connections 256 --seconds 3 --rate 500 # open loop

In a closed loop each connection asks again when it has its answer. In an open loop requests come at times that are drawn
before the run, whatever the server does, and each latency counts from the time its request was meant to be sent.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import select
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

from modelport.compare.histogram import Histogram
from modelport.compare.pool import read_pool
from modelport.compare.results import GRACE_S
from modelport.compare.wire import Connection

SPIN_S = 0.0005
"""What is due sooner than this, beyond whole milliseconds, is waited for awake: epoll counts those, and wakes up a little late."""

MOST_ASLEEP_S = 0.05
"""Somebody may lose patience meanwhile."""

TELLING = 0.9
"""So many of the callers must have had two answers, so that those who have do not speak for others."""

DEADLINE = "deadline"
"""A failure: the client had hung up before an answer came, or would have."""

clock = time.perf_counter


class Turns:
    """Right answers in a second of a closed loop, whether they come one by one or all together at the end of a turn.

    What passes between two answers to the same caller is a whole turn, wherever the load begins and ends.
    """

    def __init__(self, callers: int) -> None:
        self.free = list(range(callers))
        self._first, self._last, self._counts = [0.0] * callers, [0.0] * callers, [0] * callers

    def note(self, caller: int, now: float) -> None:
        """A caller has had an answer."""
        if not self._counts[caller]:
            self._first[caller] = now
        self._last[caller] = now
        self._counts[caller] += 1

    def per_s(self, took_s: float) -> float:
        """Of all callers; by their number, in the time that the load took, where too few had two answers."""
        telling = [n for n, count in enumerate(self._counts) if count > 1 and self._last[n] > self._first[n]]
        if len(telling) < TELLING * len(self._counts):
            return sum(self._counts) / took_s
        spans = sum(self._last[n] - self._first[n] for n in telling)
        return len(self._counts) * sum(self._counts[n] - 1 for n in telling) / spans


class Run:
    """One run: connections, what is due, and what came."""

    def __init__(
        self, port: int, pool: list[bytes], connections: int, expect: int, patience_s: float | None = None
    ) -> None:
        self.port, self.pool, self.most, self.expect = port, pool, connections, expect
        self.patience_s, self.counts_from = patience_s, 0.0
        self.turns: Turns | None = None
        self.asked: deque[tuple[float, Connection]] = deque()
        self.epoll = select.epoll()
        self.open: dict[int, Connection] = {}
        self.idle: list[Connection] = []
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self.answered, self.refused, self.lag = Histogram(), Histogram(), Histogram()

    def send(self, due: float) -> bool:
        """Ask over a free connection; False where there is none."""
        if self.idle:
            connection = self.idle.pop()
        elif len(self.open) < self.most:
            connection = Connection(self.port, self.epoll)
            self.open[connection.fd] = connection
            if self.turns is not None:
                connection.caller = self.turns.free.pop()
        else:
            return False
        connection.ask(self.pool[self.sent % len(self.pool)], due)
        self.sent += 1
        if self.patience_s is not None:
            self.asked.append((due, connection))
        return True

    def poll(self, wait_s: float) -> None:
        """Read what has come, and wait for it so long."""
        for fd, _ in self.epoll.poll(max(wait_s, 0)):
            connection = self.open.get(fd)
            if connection is not None:
                self._step(connection)

    def _step(self, connection: Connection) -> None:
        outcome = connection.step()
        if outcome is None:
            if connection.ended and not connection.busy:
                self.idle.remove(connection)
                self._drop(connection)
            return
        now = clock()
        if connection.due >= self.counts_from:
            self._count(outcome, now - connection.due)
        if self.turns is not None and outcome == self.expect:
            self.turns.note(connection.caller, now)
        if connection.ended or self.patience_s is not None:
            self._drop(connection)  # clients with a patience are people of their own: nobody takes another's connection
        else:
            self.idle.append(connection)

    def _count(self, outcome: int | str, took: float) -> None:
        if isinstance(outcome, str):
            self.failures[outcome] += 1
        elif self.patience_s is not None and took > self.patience_s:
            self.failures[DEADLINE] += 1
        else:
            self.statuses[outcome] += 1
            (self.answered if outcome == self.expect else self.refused).add(took)

    def _drop(self, connection: Connection) -> None:
        del self.open[connection.fd]
        if self.turns is not None:
            self.turns.free.append(connection.caller)
        connection.close()

    def hang_up(self, now: float) -> None:
        """Leave where no answer came within the patience: whatever becomes of the request, its client has given it up."""
        while self.asked and now - self.asked[0][0] >= (self.patience_s or 0.0):
            due, connection = self.asked.popleft()
            if connection.busy and connection.due == due:
                self.failures[DEADLINE] += due >= self.counts_from
                connection.busy = False
                self._drop(connection)

    def unanswered(self) -> int:
        """Requests that nothing came for."""
        return sum(connection.busy for connection in self.open.values())

    def close(self) -> None:
        """Hang up on everybody."""
        for connection in self.open.values():
            connection.close()

    def result(self, seconds: float) -> dict[str, Any]:
        """What came, as JSON."""
        return {
            "sent": self.sent,
            "seconds": seconds,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "failures": dict(self.failures),
            "answered": self.answered.plain(),
            "refused": self.refused.plain(),
        }


def closed_loop(run: Run, seconds: float) -> dict[str, Any]:
    """As fast as the server lets the connections go."""
    began, computed_s = clock(), time.process_time()
    end, run.turns = began + seconds, Turns(run.most)
    while (now := clock()) < end:
        while run.send(now):
            pass
        run.poll(min(0.1, end - now))
    took, computed_s = clock() - began, time.process_time() - computed_s
    result = run.result(took)
    run.close()
    return {
        **result,
        "in_flight": run.unanswered(),
        "unanswered": 0,
        "idle_share": max(0.0, 1 - computed_s / took),
        "pace_per_s": run.turns.per_s(took),
    }


def open_loop(run: Run, seconds: float, rate: float, seed: int, skip_s: float = 0.0) -> dict[str, Any]:
    """At times that are fixed before: exponential pauses, the same for every server with the same seed.

    What is due in the first `skip_s` is sent and not counted, so that a queue has its length before anything counts.
    """
    began = clock() + 0.01
    run.counts_from = began + skip_s
    times = deque(began + offset for offset in arrivals(rate, seconds, seed))
    offered = sum(at >= run.counts_from for at in times)
    waiting: deque[float] = deque()
    give_up = began + seconds + GRACE_S
    while (now := clock()) < give_up and (times or waiting or run.unanswered()):
        while times and times[0] <= now:
            run.lag.add(now - times[0])
            waiting.append(times.popleft())
            now = clock()
        while waiting and run.send(waiting[0]):
            waiting.popleft()
        run.hang_up(now)
        run.poll(_asleep_s(times[0] - now) if times else MOST_ASLEEP_S)
    result = run.result(seconds - skip_s)
    lost = run.unanswered() + len(waiting)
    run.close()
    return {**result, "offered": offered, "unanswered": lost, "lag_s": lateness(run.lag)}


def _asleep_s(due_s: float) -> float:
    """How long to wait for answers before something is due, in whole milliseconds: epoll would take a part of one for all of it."""
    whole_ms = int((min(due_s, MOST_ASLEEP_S) - SPIN_S) * 1000)
    return max(0.0, whole_ms - 0.01) / 1000


def lateness(lag: Histogram) -> float | None:
    """How late requests were sent: the highest percentile up to p99 that their number bears, of very few the latest."""
    told = (lag.percentile(share) for share in (0.99, 0.95, 0.9, 0.5))
    return next((found for found in told if found is not None), lag.longest)


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are meant to be sent, in seconds from the start."""
    draw, at, found = random.Random(seed), 0.0, []
    while (at := at + draw.expovariate(rate)) < seconds:
        found.append(at)
    return found


def main() -> None:
    """Read the options, run, and write the result to standard output."""
    parser = argparse.ArgumentParser(prog="python -m modelport.compare.loadgen")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--expect", type=int, default=200)
    parser.add_argument("--skip", type=float, default=0.0, help="seconds at the beginning that do not count")
    parser.add_argument("--patience", type=float, help="seconds after which a client hangs up")
    options = parser.parse_args()
    gc.disable()  # a run makes no cycles, and a collection would count as the server's latency
    run = Run(options.port, read_pool(options.pool), options.connections, options.expect, options.patience)
    result = (
        closed_loop(run, options.seconds)
        if options.rate is None
        else open_loop(run, options.seconds, options.rate, options.seed, options.skip)
    )
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

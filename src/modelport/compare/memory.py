"""What a contestant weighs: with more workers, with connections that are open, and with requests that are in flight."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from modelport.compare.cases import CASES, JSON, bodies_of, work_path
from modelport.compare.client import Response, first_answer_s, post_at_once
from modelport.compare.contestants import Contestant
from modelport.compare.pool import request_bytes
from modelport.compare.processes import ServerProcess, serving
from modelport.compare.results import Weight
from modelport.compare.trial import CHECK_CONNECTIONS, CHECKED, Trial
from modelport.compare.usage import tree_cpu_s, tree_open_files, tree_pss_bytes

WORKERS, OPEN, IN_FLIGHT = "workers", "open", "in flight"
COUNTS = (1, 2, 4)
LEVELS = (64, 256, 1024)
ROUNDS = 3
"""Memory hardly varies from start to start."""
QUICK_BODY, HELD_BODY = b"[0.5]", b'{"id": "held"}'
HELD_S = 20
"""How long the upstream of a request in flight takes: longer than all levels are weighed in."""

SCALING = ("gunicorn", "uvicorn", "granian")
"""Programs that take --workers; a later one of these options wins over an earlier one."""
CONNECT_S, LISTEN_S = 2.0, 2.0
STOP_S = 2.0
LOOK_S, QUIET_SHARE, SAME_SHARE, SETTLE_LIMIT_S = 0.4, 0.1, 0.01, 15.0


def weigh(trial: Trial, number: int, keep: Callable[[Weight], None]) -> None:
    """All levels, each kept as soon as it is known."""
    if scales(trial.entry.contestant):
        for count in COUNTS:
            keep(_with_workers(trial, number, count))
    for what in (OPEN, IN_FLIGHT) if trial.entry.work_command else ():
        _weigh_callers(trial, number, what, keep)


def scales(contestant: Contestant) -> bool:
    """Whether the contestant's command can be told how many workers to start."""
    return contestant.is_ours or Path(contestant.command[0]).name in SCALING


def _with_workers(trial: Trial, number: int, count: int) -> Weight:
    bodies = bodies_of(CASES[0], trial.subject)
    with _serving(trial, (*trial.entry.command, "--workers", str(count)), {}) as server:
        first_answer_s(server, "/predict", bodies[0], _is_right)
        settled_pss_bytes(server)
        post_at_once(server.port, "/predict", bodies[:CHECKED], connections=CHECK_CONNECTIONS)
        return Weight(trial.name, number, WORKERS, count, count, settled_pss_bytes(server))


def _weigh_callers(trial: Trial, number: int, what: str, keep: Callable[[Weight], None]) -> None:
    """In a start of its own: what earlier callers have left free would be taken again, and weigh nothing."""
    quick, slow = (work_path(name, trial.entry.contestant) for name in ("array-in", "wait"))
    asked = (quick, QUICK_BODY) if what == OPEN else (slow, HELD_BODY)
    with _serving(trial, trial.entry.work_command, {"WAIT_S": str(HELD_S)}) as server:
        first_answer_s(server, quick, QUICK_BODY, _is_right)
        rest, files = settled_pss_bytes(server), tree_open_files(server.process.pid)
        keep(Weight(trial.name, number, what, 0, 0, rest))
        with Callers(server.port, request_bytes("POST", asked[0], asked[1], JSON)) as callers:
            for level in LEVELS:
                callers.grow(level)
                callers.listen(LISTEN_S if what == OPEN else 0)
                pss = settled_pss_bytes(server)
                there = tree_open_files(server.process.pid) - files
                callers.listen(0)
                wanted = callers.answered_and_open if what == OPEN else callers.waiting
                keep(Weight(trial.name, number, what, level, max(0, min(there, wanted)), pss))


class Callers:
    """Connections that have asked once: some are answered and stay open, some still wait."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._poll = select.epoll()
        self._waiting: dict[int, socket.socket] = {}
        self._answered: dict[int, socket.socket] = {}

    def __enter__(self) -> Callers:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (*self._waiting.values(), *self._answered.values()):
            connection.close()
        self._poll.close()

    @property
    def waiting(self) -> int:
        """How many have no answer yet, not a part of it."""
        return len(self._waiting)

    @property
    def answered_and_open(self) -> int:
        """How many have an answer, on a connection that the server has left open."""
        return len(self._answered)

    def grow(self, count: int) -> None:
        """Connect and ask until so many have, or the server lets nobody in."""
        for _ in range(count - len(self._waiting) - len(self._answered)):
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=CONNECT_S)
                connection.sendall(self._request)
            except OSError:
                return
            connection.setblocking(False)
            self._waiting[connection.fileno()] = connection
            self._poll.register(connection, select.EPOLLIN)

    def listen(self, seconds: float) -> None:
        """Read what comes, until nobody waits any more or the time is over; what is there already is read in any case."""
        end = time.perf_counter() + seconds
        while True:
            for fd, _ in self._poll.poll(0.05 if self._waiting and seconds else 0):
                self._read(fd)
            if not self._waiting or time.perf_counter() >= end:
                return

    def _read(self, fd: int) -> None:
        connection = self._waiting.pop(fd, None) or self._answered[fd]
        with suppress(OSError):
            if connection.recv(65536):
                self._answered[fd] = connection
                return
        self._answered.pop(fd, None)
        self._poll.unregister(fd)
        connection.close()


def settled_pss_bytes(server: ServerProcess) -> int:
    """The memory once the processes have come to rest: they compute no more, and their memory stays the same."""
    pid, end = server.process.pid, time.perf_counter() + SETTLE_LIMIT_S
    cpu_s, pss = tree_cpu_s(pid), tree_pss_bytes(pid)
    while time.perf_counter() < end:
        time.sleep(LOOK_S)
        later_s, later = tree_cpu_s(pid), tree_pss_bytes(pid)
        if later_s - cpu_s < QUIET_SHARE * LOOK_S and abs(later - pss) <= SAME_SHARE * pss:
            return later
        cpu_s, pss = later_s, later
    return pss


@contextmanager
def _serving(trial: Trial, command: Sequence[str], variables: Mapping[str, str]) -> Iterator[ServerProcess]:
    """It may end without finishing what it has: nobody waits for that any more."""
    log, core = trial.work / f"{trial.name}.{trial.app}.log", trial.plan.cores.server_list
    with serving(command, core=core, cwd=trial.entry.folder, log=log, variables=variables, grace_s=STOP_S) as server:
        yield server
        server.check_alive()


def _is_right(response: Response) -> bool:
    return response.status == 200

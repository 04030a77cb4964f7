"""The holders of one model: who serves, who stands by, and who was asked to leave."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelport.runtime.children import FROZEN_SECONDS, Child, spawn
from modelport.runtime.holders import HolderGroup

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@dataclass
class Board:
    """What the processes have said of themselves."""

    limits: dict[int, float] = field(default_factory=dict)
    beats: dict[int, float] = field(default_factory=dict)
    restarts: int = 0

    def running(self, slot: int) -> tuple[float, float, Sequence[bytes]]:
        return 0.0, self.limits.get(slot, 0.0), []

    def last_beat(self, slot: int) -> float:
        return self.beats.get(slot, 0.0)

    def count_restart(self, role: str, model: int | None = None) -> None:
        self.restarts += 1

    def clear_gauges(self, slot: int) -> None:
        self.limits.pop(slot, None)
        self.beats.pop(slot, None)


Told = list[Any]


@pytest.fixture
def group() -> Iterator[tuple[HolderGroup, Told]]:
    """A group whose holders are processes that sleep, and what was told to the workers."""
    started: list[Child] = []
    told: Told = []

    def start(slot: int) -> Child:
        started.append(spawn("holder", slot, SLEEP, (), 1))
        return started[-1]

    listener = socket.socket()
    made = HolderGroup(
        "m", 0, listener, [0, 1, 2, 3], start, Board(), lambda _: None, lambda g: told.append(g.description)
    )
    yield made, told
    listener.close()
    for child in started:
        child.process.kill()
        child.process.wait()
        child.line.close()


def ready(group: HolderGroup, child: Child | None, **description: Any) -> Child:
    assert child is not None
    group.on_ready(child, description)
    return child


def test_the_first_that_is_ready_serves_and_another_is_started(group: tuple[HolderGroup, Told]) -> None:
    holders, told = group
    holders.begin()
    first = ready(holders, holders.standby, version="1")
    assert holders.active is first
    assert holders.standby is not None
    assert told == [{"version": "1"}]
    ready(holders, holders.standby, version="2")
    assert told == [{"version": "1"}]  # what stands by is not described


def test_one_that_was_asked_to_leave_while_it_loaded_does_not_serve(group: tuple[HolderGroup, Told]) -> None:
    holders, told = group
    holders.begin()
    ready(holders, holders.standby, version="1")
    loading = holders.standby
    holders.retire()
    ready(holders, loading, version="2")
    assert (holders.active, holders.standby) == (None, None)
    assert len(holders.children()) == 2
    assert told == [{"version": "1"}]


def test_a_reload_hands_over_to_the_new_one_and_not_to_the_standby_it_replaced(group: tuple[HolderGroup, Told]) -> None:
    holders, told = group
    holders.begin()
    old = ready(holders, holders.standby, version="1")
    replaced = holders.standby
    new = holders.replace()
    ready(holders, replaced, version="1")
    assert holders.active is old
    holders.hand_over(ready(holders, new, version="2"))
    assert holders.active is new
    assert old.retired
    assert told == [{"version": "1"}, {"version": "2"}]


@pytest.mark.parametrize(
    ("limit", "beat", "awake_since", "killed"),
    [
        (0.0, 0.0, 0.0, ""),  # it has given no sign of life yet: it loads
        (0.0, 1.0, 0.0, "no sign of life"),
        (0.0, 1.0, 99.0, ""),  # it was we who slept
        (0.0, 99.0, 0.0, ""),
        (200.0, 1.0, 0.0, ""),  # it runs a call, which has a limit of its own
        (50.0, 99.0, 0.0, "past its hard limit"),
    ],
)
def test_what_stands_still_or_runs_too_long_is_killed(
    group: tuple[HolderGroup, Told], limit: float, beat: float, awake_since: float, killed: str
) -> None:
    holders, _ = group
    holders.begin()
    child = ready(holders, holders.standby)
    board = holders.board
    assert isinstance(board, Board)
    board.limits[child.slot], board.beats[child.slot] = limit, beat
    assert FROZEN_SECONDS < 99.0
    holders.watch(100.0, awake_since)
    assert killed in child.kill_reason if killed else not child.kill_reason
    if killed:
        assert _wait(lambda: child.process.poll() is not None)


def _wait(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        pass
    return holds()

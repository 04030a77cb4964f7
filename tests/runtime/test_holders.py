"""The holders of one model: who serves, who stands by, and who was asked to leave."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelport.kernel.strikes import FORGIVEN_SECONDS
from modelport.runtime import children
from modelport.runtime.children import CRASHES, FROZEN_SECONDS, WELL_SECONDS, Child, StartFailed, spawn
from modelport.runtime.holders import HolderGroup

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@dataclass
class Board:
    """What the processes have said of themselves."""

    limits: dict[int, float] = field(default_factory=dict)
    beats: dict[int, float] = field(default_factory=dict)
    digests: dict[int, list[bytes]] = field(default_factory=dict)
    restarts: int = 0

    def running(self, slot: int) -> tuple[float, float, Sequence[bytes]]:
        return 0.0, self.limits.get(slot, 0.0), self.digests.get(slot, [])

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


def die(group: HolderGroup, child: Child | None, now: float, number: int = signal.SIGKILL) -> None:
    assert child is not None
    child.process.send_signal(number)
    child.process.wait()
    group.on_death(child, now)


def test_a_reload_that_fails_leaves_the_one_that_serves_and_its_standby(group: tuple[HolderGroup, Told]) -> None:
    holders, told = group
    holders.begin()
    old = ready(holders, holders.standby, version="1")
    standby = ready(holders, holders.standby, version="1")
    new = holders.replace()
    die(holders, new, 1.0)
    assert (holders.active, holders.standby, holders.successor) == (old, standby, None)
    assert not old.retired
    assert not standby.retired
    assert holders.failures == 0
    die(holders, old, 2.0)
    assert holders.active is standby
    assert told == [{"version": "1"}, {"version": "1"}]


def test_a_new_holder_takes_over_though_the_old_one_has_died_meanwhile(group: tuple[HolderGroup, Told]) -> None:
    holders, _ = group
    holders.begin()
    old = ready(holders, holders.standby)
    spare = holders.standby
    new = holders.replace()
    die(holders, old, 1.0)
    holders.hand_over(ready(holders, new))
    assert holders.active is new
    assert spare is not None
    assert spare.retired


def test_one_death_is_mended_at_once_and_a_crash_loop_later_and_later(group: tuple[HolderGroup, Told]) -> None:
    holders, _ = group
    holders.keep_standby = False
    holders.begin()
    now, pauses = 100.0, []
    for _ in range(6):
        holders.watch(now)
        child = ready(holders, holders.standby)
        now += WELL_SECONDS / 2
        die(holders, child, now)
        assert holders.restart_at is not None
        pauses.append(round(holders.restart_at - now, 3))
        now = holders.restart_at
    assert pauses == [0.0, 0.4, 0.8, 1.6, 3.2, 6.4]
    holders.watch(now)
    ready(holders, holders.standby)
    holders.watch(now + 5.0)
    assert holders.deaths == 6
    holders.watch(now + 11.0)
    assert holders.deaths == 0
    assert not holders.hopeless


@pytest.mark.parametrize("victim", ["active", "standby"])
def test_whoever_kills_what_works_well_again_and_again_never_has_to_wait_for_another(
    group: tuple[HolderGroup, Told], victim: str
) -> None:
    holders, _ = group
    holders.begin()
    now = time.monotonic()
    holders.watch(now)
    ready(holders, holders.standby)
    for _ in range(12):
        assert holders.standby is not None
        holders.standby.started = now - 0.5
        ready(holders, holders.standby)
        now += 2 * WELL_SECONDS
        holders.watch(now)
        die(holders, getattr(holders, victim), now)
        holders.watch(now)
        assert holders.active is not None
        assert holders.standby is not None


def test_one_that_dies_sooner_than_another_could_be_loaded_counts_as_a_crash_loop(
    group: tuple[HolderGroup, Told],
) -> None:
    holders, _ = group
    holders.begin()
    began = time.monotonic()
    holders.watch(began + 30.0)
    active = ready(holders, holders.standby)
    assert active.loading_s > 25.0
    assert not active.was_well(began + 50.0)
    assert active.was_well(began + 61.0)


def test_where_no_process_can_be_started_it_is_tried_again(group: tuple[HolderGroup, Told]) -> None:
    holders, _ = group
    holders.begin()
    active = ready(holders, holders.standby)
    start = holders.start

    def refuse(slot: int) -> Child:
        raise StartFailed("Too many open files")

    holders.start = refuse
    die(holders, holders.standby, 1.0)
    for _ in range(3):
        assert holders.restart_at is not None
        holders.watch(holders.restart_at)
    holders.start = start
    assert holders.restart_at is not None
    holders.watch(holders.restart_at)
    assert holders.standby is not None
    assert holders.active is active


# -- who is blamed for a death ------------------------------------------------------------------------------------


def die_twice(holders: HolderGroup, number: int, late: bool = False, at: float = 100.0) -> list[bytes]:
    """The process that serves ends twice while it runs the same body. What is refused then."""
    board = holders.board
    assert isinstance(board, Board)
    for now in (at, at + 40.0):
        holders.watch(now)
        ready(holders, holders.standby)
        assert holders.active is not None
        board.digests = {holders.active.slot: [b"body"]}
        if late:
            board.limits[holders.active.slot] = now - 1
            holders.watch(now)
        die(holders, holders.active, now, number)
    return holders.strikes.all_refused()


@pytest.mark.parametrize("number", sorted(CRASHES))
def test_a_body_that_crashes_its_process_twice_is_refused(group: tuple[HolderGroup, Told], number: int) -> None:
    group[0].begin()
    assert die_twice(group[0], number) == [b"body"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_body_whose_process_somebody_else_kills_is_not_blamed(group: tuple[HolderGroup, Told], number: int) -> None:
    group[0].begin()
    assert die_twice(group[0], number) == []


def test_a_body_that_runs_past_its_hard_limit_twice_is_refused(group: tuple[HolderGroup, Told]) -> None:
    group[0].begin()
    assert die_twice(group[0], signal.SIGKILL, late=True) == [b"body"]


def test_a_body_whose_process_is_killed_for_want_of_memory_twice_is_refused(
    group: tuple[HolderGroup, Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 0\n")
    monkeypatch.setattr(children, "OOM_COUNTS", (events,))
    holders, start, kills = group[0], group[0].start, iter(range(1, 9))

    def start_and_want_memory(slot: int) -> Child:
        child = start(slot)
        events.write_text(f"oom_kill {next(kills)}\n")
        return child

    holders.start = start_and_want_memory
    holders.begin()
    assert die_twice(holders, signal.SIGKILL) == [b"body"]


def test_an_exit_of_its_own_is_blamed_on_the_call_and_a_process_that_stands_still_is_not() -> None:
    exits = spawn("holder", 0, [sys.executable, "-c", "import os; os._exit(3)"], (), 1)
    exits.process.wait()
    frozen = spawn("holder", 0, SLEEP, (), 1)
    frozen.kill("killed: it gave no sign of life for 21 s")
    frozen.process.wait()
    assert [children.died_of_its_call(child) for child in (exits, frozen)] == [True, False]
    exits.line.close()
    frozen.line.close()


def test_what_was_refused_is_forgotten_with_time(group: tuple[HolderGroup, Told]) -> None:
    holders, _ = group
    holders.begin()
    assert die_twice(holders, signal.SIGSEGV) == [b"body"]
    assert not holders.strikes.expire(140.0 + FORGIVEN_SECONDS - 1)
    assert holders.strikes.expire(140.0 + FORGIVEN_SECONDS)
    assert holders.strikes.all_refused() == []


def test_what_was_refused_is_forgotten_with_a_reload(group: tuple[HolderGroup, Told]) -> None:
    holders, _ = group
    holders.begin()
    assert die_twice(holders, signal.SIGSEGV) == [b"body"]
    holders.hand_over(ready(holders, holders.replace()))
    assert holders.strikes.all_refused() == []

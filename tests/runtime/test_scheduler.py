"""Batches and who runs beside them; owners and what they raise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from modelport.kernel.batcher import Batcher
from modelport.kernel.ports import Done
from modelport.runtime.scheduler import Gate, Scheduler


class Manual:
    """An executor whose batches end when the test says so."""

    kind = "manual"

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.running: dict[str, Done] = {}

    def submit(self, records: Sequence[Any], done: Done) -> None:
        self.running["".join(name for (name,) in records)] = done

    def close(self) -> None:
        """Nothing."""

    async def end(self, name: str) -> None:
        self.running.pop(name)([b"%d" % i for i in range(len(name))])
        await turn()


async def turn() -> None:
    """Let the loop do what is due."""
    for _ in range(3):
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done


def scheduler_of(executor: Manual, max_rows: int = 1, gate: Gate | None = None) -> Scheduler:
    """A scheduler of its own."""
    scheduler = Scheduler(executor, Batcher(max_rows, 100), asyncio.get_running_loop())
    scheduler.gate = gate or scheduler.gate
    return scheduler


def ignore(outcomes: list[Any]) -> None:
    """Nobody waits."""


def ask(scheduler: Scheduler, name: str, done: Done = ignore, solo: bool = False) -> Any:
    """One call of one record."""
    return scheduler.submit([(name,)], done, solo=solo)


async def test_who_has_to_be_alone_runs_when_nothing_else_does_and_nothing_is_begun_beside_it() -> None:
    executor = Manual(slots=3)
    scheduler = scheduler_of(executor)
    ask(scheduler, "a")
    await turn()
    ask(scheduler, "s", solo=True)
    ask(scheduler, "b")
    await turn()
    assert set(executor.running) == {"a"}
    await executor.end("a")
    assert set(executor.running) == {"s"}
    ask(scheduler, "c")
    await turn()
    assert set(executor.running) == {"s"}
    await executor.end("s")
    assert set(executor.running) == {"b", "c"}


async def test_a_gate_is_for_all_that_runs_in_a_process() -> None:
    gate = Gate()
    models, readers = Manual(slots=2), Manual(slots=1)
    model, reader = scheduler_of(models, gate=gate), scheduler_of(readers, gate=gate)
    ask(reader, "r")
    await turn()
    ask(model, "s", solo=True)
    ask(reader, "q")
    await turn()
    assert not models.running
    await readers.end("r")
    assert set(models.running) == {"s"}
    assert not readers.running
    await models.end("s")
    assert set(readers.running) == {"q"}


async def test_who_leaves_while_it_waits_to_be_alone_holds_up_nobody() -> None:
    executor = Manual(slots=2)
    scheduler = scheduler_of(executor)
    ask(scheduler, "a")
    await turn()
    solo = ask(scheduler, "s", solo=True)
    ask(scheduler, "b")
    await turn()
    scheduler.cancel(solo)
    await executor.end("a")
    assert set(executor.running) == {"b"}
    await executor.end("b")
    ask(scheduler, "c")
    ask(scheduler, "d")
    await turn()
    assert set(executor.running) == {"c", "d"}


async def test_an_owner_that_raises_leaves_the_others_their_answers() -> None:
    executor = Manual(slots=1)
    told: list[Any] = []
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def broken(outcomes: list[Any]) -> None:
        raise KeyError

    scheduler = scheduler_of(executor, max_rows=2)
    ask(scheduler, "a", broken)
    ask(scheduler, "b", told.append)
    await turn()
    await executor.end("ab")
    assert told == [[b"1"]]
    assert len(reported) == 1

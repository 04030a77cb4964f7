"""Generators in threads and on the loop: what they give, when they pause, and how they are closed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from modelport.codecs.json import encode
from modelport.executors.coroutine import CoroutineExecutor
from modelport.kernel.context import CallContext, current
from modelport.kernel.streams import WINDOW_BYTES, weight
from modelport.kernel.values import Failure
from modelport.runtime.generators import (
    GONE,
    TOO_SLOW,
    Stream,
    StreamExecutor,
    first_item,
    on_one_line,
    stream_executor,
)
from modelport.runtime.handler import Contexts, SlowWarning, Streaming

LARGE = "x" * (WINDOW_BYTES // 4)


async def turn() -> None:
    """Let the loop come round."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()


class Ran:
    """What one generator does, as both kinds are written, and what it saw."""

    def __init__(self) -> None:
        self.closed = 0
        self.gave = 0
        self.deadlines: list[float] = []
        self.changed = threading.Event()

    def _close(self) -> None:
        self.closed += 1
        self.changed.set()

    def items(self, what: list[Any]) -> Any:
        """A generator that gives these, and raises those that are exceptions."""
        try:
            for each in what:
                self._see()
                if isinstance(each, BaseException):
                    raise each
                self.gave += 1
                yield each
        finally:
            self._close()

    async def items_async(self, what: list[Any]) -> Any:
        """The same, on the loop."""
        try:
            for each in what:
                self._see()
                if isinstance(each, BaseException):
                    raise each
                self.gave += 1
                yield each
        finally:
            await turn()
            self._close()

    def _see(self) -> None:
        context = current.get()
        self.deadlines.append(0.0 if context is None else context.deadline)


class Running:
    """One executor with one stream, and what has come of it."""

    def __init__(self, open_stream: Callable[[Any], Any], is_async: bool, patience_s: float = 5.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.said: list[str] = []
        self.contexts = Contexts()
        warning = SlowWarning("m", "app.py:1", is_async, "advice", self.said.append)
        model = Streaming(
            open_stream, lambda value: Failure("wrong", "m") if value is None else encode(value), is_async, warning
        )
        self.executor: StreamExecutor = stream_executor(model, self.contexts, self.loop, "m", 1, self.said.append)
        self.got: list[bytes] = []
        self.came = asyncio.Event()
        self.outcome: asyncio.Future[Any] = self.loop.create_future()
        self._patience_s = patience_s

    def begin(self, value: Any, deadline: float = 0.0) -> Stream:
        """Run it."""
        stream = self.executor.open(value, self._patience_s, self._take)
        self.records: list[Any] = [stream]
        self.contexts.begin(self.records, CallContext(deadline or time.monotonic() + 5))
        self.executor.submit(self.records, lambda outcomes: self.outcome.set_result(outcomes[0]))
        return stream

    def _take(self, item: bytes) -> None:
        self.got.append(item)
        self.came.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for items until something is true."""
        async with asyncio.timeout(5):
            while not holds():
                self.came.clear()
                await self.came.wait()


def opener(ran: Ran, is_async: bool) -> Callable[[Any], Any]:
    """How a model of this kind is opened."""
    return ran.items_async if is_async else ran.items


both = pytest.mark.parametrize("is_async", [False, True])


@both
async def test_items_come_in_order_and_then_the_end(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    running.begin([1, "two", {"three": 3}])
    assert await running.outcome == b""
    assert running.got == [b"1", b'"two"', b'{"three":3}']
    assert ran.closed == 1


@both
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
async def test_what_is_raised_is_the_outcome_behind_the_items(is_async: bool, error: BaseException) -> None:
    running = Running(opener(Ran(), is_async), is_async)
    running.begin([1, error])
    outcome = await running.outcome
    assert running.got == [b"1"]
    assert (outcome.code, type(error).__name__ in outcome.cause) == ("model_failed", True)


@both
async def test_an_item_that_cannot_be_written_ends_the_stream_and_closes_the_generator(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    running.begin([1, None, 3])
    assert (await running.outcome).code == "wrong"
    assert (ran.gave, ran.closed) == (2, 1)


@both
async def test_a_generator_pauses_when_nothing_is_taken_and_goes_on_with_credit(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    stream = running.begin([LARGE] * 20)
    await running.until(lambda: len(running.got) == 4)
    await asyncio.to_thread(lambda: None)
    assert (stream.paused, ran.gave) == (True, 4)
    while not running.outcome.done():
        for item in running.got[:]:
            running.got.remove(item)
            stream.credit(weight(item))
        await asyncio.wait({running.outcome, asyncio.ensure_future(running.came.wait())}, return_when="FIRST_COMPLETED")
        running.came.clear()
    assert (ran.gave, await running.outcome) == (20, b"")


@both
async def test_a_generator_that_pauses_is_closed_when_nobody_reads_it_any_more(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    running.begin([LARGE] * 20)
    await running.until(lambda: len(running.got) == 4)
    running.executor.cancel(running.records)
    assert await asyncio.wait_for(running.outcome, 5) is GONE
    assert (ran.closed, ran.gave) == (1, 4)
    assert running.executor.running == []


async def test_what_an_async_generator_awaits_is_cancelled_and_its_last_words_are_waited_for() -> None:
    waiting, said = asyncio.Event(), []

    async def items(value: Any) -> Any:
        try:
            yield 1
            waiting.set()
            await asyncio.Event().wait()
        finally:
            await turn()
            said.append("closed")

    running = Running(items, True)
    running.begin(None)
    await waiting.wait()
    running.executor.cancel(running.records)
    running.executor.cancel(running.records)
    assert await asyncio.wait_for(running.outcome, 5) is GONE
    assert said == ["closed"]


async def test_an_async_generator_that_raises_cancelled_itself_has_failed() -> None:
    async def items(value: Any) -> Any:
        yield 1
        raise asyncio.CancelledError

    running = Running(items, True)
    running.begin(None)
    assert (await asyncio.wait_for(running.outcome, 5)).code == "model_failed"


async def test_endless_async_generators_that_await_nothing_take_turns() -> None:
    async def items(value: Any) -> Any:
        while True:
            yield value

    running = Running(items, True)
    running.begin("a")
    await running.until(lambda: len(running.got) > 3)
    running.executor.cancel(running.records)
    await asyncio.wait_for(running.outcome, 5)


@both
async def test_a_stream_that_stands_still_in_a_turn_that_others_want_is_ended(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    running.begin([LARGE] * 20)
    await running.until(lambda: len(running.got) == 4)
    for second in range(100):
        running.executor.look(float(second), wanted=True)
    assert await asyncio.wait_for(running.outcome, 5) is TOO_SLOW
    assert ran.closed == 1


@both
async def test_the_deadline_of_the_code_is_its_callers_and_then_that_of_the_next_item(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async, patience_s=7.0)
    before = time.monotonic()
    running.begin([1, 2], deadline=before + 3)
    await running.outcome
    assert ran.deadlines[0] == before + 3
    assert before + 7 <= ran.deadlines[1] <= time.monotonic() + 7


async def test_a_generator_that_fails_as_it_is_closed_is_told_to_the_log() -> None:
    def items(value: Any) -> Any:
        try:
            while True:
                yield LARGE
        finally:
            raise KeyError("in the end")

    running = Running(items, False)
    running.begin(None)
    await running.until(lambda: len(running.got) == 4)
    running.executor.cancel(running.records)
    assert await asyncio.wait_for(running.outcome, 5) is GONE
    assert "in the end" in running.said[0]


def test_json_with_line_feeds_is_put_on_one_line() -> None:
    assert on_one_line(b'{"a":\r\n1}') == b'{"a":  1}'
    assert on_one_line(b'"plain"') == b'"plain"'


def test_texts_with_what_unicode_calls_a_line_end_are_one_line_for_every_reader() -> None:
    text = "é\x85a\u2028b\u2029c"
    item = on_one_line(json.dumps(text, ensure_ascii=False).encode())
    assert item.decode().splitlines() == [item.decode()]
    assert json.loads(item) == text
    assert "é" in item.decode()


@both
async def test_of_an_example_only_the_first_item_is_taken(is_async: bool) -> None:
    ran = Ran()
    model = Streaming(opener(ran, is_async), encode, is_async, SlowWarning("m", "", is_async, "", print))
    assert await asyncio.to_thread(first_item, model, [1, 2, 3], asyncio.get_running_loop()) == b"1"
    assert (ran.gave, ran.closed) == (1, 1)


@both
async def test_a_stream_that_is_left_before_it_begins_is_over_and_runs_nothing(is_async: bool) -> None:
    ran = Ran()
    running = Running(opener(ran, is_async), is_async)
    stream = running.begin([1, 2, 3])
    if is_async:
        running.executor.cancel(running.records)
    else:
        stream.stop()
    assert await asyncio.wait_for(running.outcome, 5) in (GONE, b"")
    assert running.executor.running == []
    assert is_async is False or ran.gave == 0


async def test_last_words_are_not_disturbed_by_the_cancellation_that_brought_them() -> None:
    said: list[str] = []

    async def items(value: Any) -> Any:
        try:
            while True:
                yield 1
        finally:
            for _ in range(5):
                await turn()
            said.append("closed")

    running = Running(items, True)
    running.begin(None)
    await running.until(lambda: len(running.got) > 1)
    running.executor.cancel(running.records)
    await asyncio.wait_for(running.outcome, 5)
    assert said == ["closed"]


async def test_a_coroutine_that_is_cancelled_before_its_first_step_is_over() -> None:
    """Else its batch would run for ever, as far as anybody knows, and its process would be killed for that."""
    ran: list[Any] = []

    async def run(records: Any) -> Any:
        ran.append(records)
        return [b""]

    executor = CoroutineExecutor(run, asyncio.get_running_loop(), 1)
    outcomes: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    records: list[Any] = [(1,)]
    executor.submit(records, outcomes.set_result)
    executor.cancel(records)
    (outcome,) = await asyncio.wait_for(outcomes, 5)
    assert isinstance(outcome, Failure)
    assert ran == []

"""Functions of a service: how their coroutines are driven."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from modelport.executors.thread import ThreadExecutor
from modelport.runtime.handler import SlowWarning, batched_run, timed


async def driven(function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What a timed function gives."""
    return await timed(function, SlowWarning("m", "app.py:1", True, "", lambda _: None))()


async def test_a_failed_future_can_be_handled_by_the_function() -> None:
    async def predict() -> str:
        failed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failed.set_exception, ValueError("no"))
        try:
            await failed
        except ValueError as error:
            return str(error)
        return "unseen"

    assert await driven(predict) == "no"


async def test_a_timeout_inside_the_function_is_its_own_to_handle() -> None:
    async def predict() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "unseen"

    assert await driven(predict) == "late"


async def test_a_cancelled_function_cleans_up_and_stays_cancelled() -> None:
    cleaned: list[bool] = []

    async def predict() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, cleaned.append, True)

    task = asyncio.create_task(driven(predict))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


async def test_a_function_that_is_dropped_is_closed() -> None:
    closed: list[bool] = []

    async def predict() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    coroutine = driven(predict)
    coroutine.send(None)
    coroutine.close()
    assert closed == [True]


@pytest.mark.parametrize("answers", [{"a": 1, "b": 2}, "ab", b"ab", {1, 2}, frozenset((1, 2)), None, 2])
def test_a_batch_is_answered_with_a_list_and_nothing_that_only_looks_like_one(answers: object) -> None:
    with pytest.raises(TypeError, match=f"returned {type(answers).__name__}$"):
        batched_run(lambda _: answers, repr)([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("answers", [[1, 2], (1, 2), range(1, 3), array("i", [1, 2])])
def test_whatever_has_answers_in_their_order_will_do(answers: object) -> None:
    assert batched_run(lambda _: answers, lambda answer: b"%d" % answer)([1, 2]) == [b"1", b"2"]


async def test_a_thread_whose_model_interrupts_itself_answers_and_works_on() -> None:
    def run(records: Sequence[Any]) -> list[bytes]:
        if records == [0]:
            raise KeyboardInterrupt
        return [b"1"]

    loop = asyncio.get_running_loop()
    executor = ThreadExecutor(run, loop, "test")
    interrupted, fine = loop.create_future(), loop.create_future()
    executor.submit([0], interrupted.set_result)  # type: ignore[list-item]
    executor.submit([1], fine.set_result)  # type: ignore[list-item]
    assert [outcome.code for outcome in await asyncio.wait_for(interrupted, 5)] == ["model_failed"]
    assert await asyncio.wait_for(fine, 5) == [b"1"]
    executor.close()

"""Functions of a service: how their coroutines are driven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from modelport.runtime.handler import SlowWarning, timed


def driven(function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What a timed function returns."""
    return timed(function, SlowWarning("m", "app.py:1", True, "", lambda _: None))()


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
    cleaned = []

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
    closed = []

    async def predict() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    coroutine = driven(predict)
    coroutine.send(None)
    coroutine.close()
    assert closed == [True]

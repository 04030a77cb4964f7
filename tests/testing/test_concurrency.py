"""The concurrency check finds what shared state does, and lets alone what has none."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport import Service, SetupError
from modelport.testing import check_concurrency
from tests.fronts.models import TRACK

Write = Callable[..., Path]
PAUSE = threading.Event()
"""Never set: waiting on it lets other threads run."""
TITLES = [f"title {number}" for number in range(5)]


class Shared:
    """Keeps what belongs to one call on itself, as many a class does."""

    def load(self) -> None:
        self.title = ""

    def predict(self, title: str) -> str:
        self.title = title
        PAUSE.wait(0.0005)
        return self.title.upper()


def test_a_class_that_keeps_its_input_on_itself_is_found_out() -> None:
    found = check_concurrency(Shared, TITLES, threads=4, calls=10)
    assert not found.safe
    assert found.wrong
    assert "the answer to example" in found.wrong[0]
    assert "Shared is not safe under 40 calls from 4 threads" in str(found)
    assert "leave parallel=… out" in found.advice
    with pytest.raises(AssertionError, match="wrong answers"):
        found.check()


def test_a_function_without_state_stands_it() -> None:
    found = check_concurrency(str.upper, TITLES, threads=4, calls=20)
    assert found.safe
    assert found.calls == 80
    assert (found.wrong, found.raised, found.stuck, found.unsteady) == ((), (), (), ())
    assert "parallel=4" in found.advice
    found.check()


def test_a_declared_model_is_asked_with_its_bodies() -> None:
    service = Service("s")

    @service.model("shared")
    class Declared(Shared):
        """The same, declared."""

    @service.model("lengths", batch=True)
    def lengths(titles: list[str]) -> list[int]:
        return [len(title) for title in titles]

    @service.model("ratio")
    def ratio(part: float, whole: float = 2.0) -> float:
        return part / whole

    assert not check_concurrency(service["shared"], [{"title": title} for title in TITLES], threads=4, calls=10).safe
    assert check_concurrency(service["lengths"], ["a", "bb"], threads=2, calls=10).safe
    assert check_concurrency(service["ratio"], [{"part": 1.0}, {"part": 2, "whole": 4}], threads=2, calls=10).safe


def test_a_saved_model_is_asked_by_its_path(fake: Write) -> None:
    examples = [TRACK, {**TRACK, "tempo": 140}]
    assert check_concurrency(fake("track"), examples, threads=2, calls=10).safe


def test_exceptions_that_only_come_with_others_are_told_with_their_place() -> None:
    busy = threading.Lock()

    def fragile(x: int) -> int:
        if not busy.acquire(blocking=False):
            raise RuntimeError("somebody else is here")
        try:
            PAUSE.wait(0.001)
            return x
        finally:
            busy.release()

    found = check_concurrency(fragile, [1, 2], threads=4, calls=5)
    assert not found.safe
    assert "RuntimeError: somebody else is here (" in found.raised[0]
    assert "test_concurrency.py:" in found.raised[0]


def test_threads_that_never_come_back_are_told_with_where_they_stand() -> None:
    busy, gate = threading.Lock(), threading.Event()

    def hangs(x: int) -> int:
        if not busy.acquire(blocking=False):
            gate.wait(60)
            return x
        PAUSE.wait(0.001)
        busy.release()
        return x

    try:
        found = check_concurrency(hangs, [1, 2], threads=4, calls=50, hang_s=0.5)
    finally:
        gate.set()
    assert found.stuck
    assert not found.safe
    assert "stuck" in str(found)


def test_answers_that_differ_anyway_are_told_and_not_counted_as_mixed_up() -> None:
    count = itertools.count()

    def random(x: int) -> int:
        return next(count) + x

    found = check_concurrency(random, [1, 2], threads=2, calls=5)
    assert found.safe
    assert found.unsteady == ("example 0", "example 1")
    assert "fixed seed" in found.advice


def test_arrays_and_nan_are_compared_by_their_values() -> None:
    import numpy as np

    def spread(x: float) -> dict[str, Any]:
        return {"values": np.full(3, x), "none": float("nan")}

    assert check_concurrency(spread, [1.0, 2.0], threads=2, calls=10).safe


def test_what_cannot_be_checked_is_said() -> None:
    async def later(x: int) -> int:
        return x

    def fails(x: int) -> float:
        return 1 / (x - 2)

    with pytest.raises(SetupError, match="later is async"):
        check_concurrency(later, [1, 2])
    with pytest.raises(SetupError, match="example 1 fails when it is asked alone: ZeroDivisionError"):
        check_concurrency(fails, [1, 2])
    with pytest.raises(SetupError, match="at least two different examples"):
        check_concurrency(str.upper, ["a"])
    with pytest.raises(SetupError, match="a int is no model"):
        check_concurrency(5, [1, 2])

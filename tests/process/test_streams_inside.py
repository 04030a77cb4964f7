"""Streams that code of the service reads, streams that something guards, and streams of a service with routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.engine import Served, serve, until, write_app
from tests.process.streaming import EVENTS, Socket, reading

MODELS = """
from collections.abc import AsyncIterator, Iterator
from pydantic import BaseModel
import modelport

class Word(BaseModel):
    text: str

def note(name, what):
    with open(name, "a") as file:
        file.write(f"{what}\\n")

@service.model("words", parallel=4)
def words(text: str, wait: float = 0.0, name: str = "words") -> Iterator[Word]:
    try:
        for word in text.split():
            if word == "boom":
                raise ValueError("inner boom")
            yield Word(text=word)
            time.sleep(wait)
    finally:
        note(name, "closed")

@service.model("numbers")
async def numbers(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number

@service.model("upper")
async def upper(text: str, wait: float = 0.0) -> AsyncIterator[str]:
    async for word in service["words"].stream(text=text, wait=wait, name="inner"):
        assert isinstance(word, Word)
        yield word.text.upper()

@service.model("first")
def first(text: str) -> str:
    for word in service["words"].stream(text=text, wait=0.05, name="first"):
        return word.text

@service.model("all")
async def all_of_them(to: int) -> list[int]:
    return await service["numbers"]({"to": to})

@service.model("total")
def total(to: int) -> int:
    return sum(service["numbers"].stream(to=to))

@service.model("careful")
async def careful(text: str) -> list[str]:
    found = []
    try:
        async for word in service["words"].stream(text=text, name="careful"):
            found.append(word.text)
    except modelport.ModelFailed as error:
        found.append(error.model)
    return found

@service.model("confused")
async def confused(x: int) -> int:
    return [item async for item in service["total"].stream(to=x)]
"""
GUARD = """
from fastapi import Depends, Header, HTTPException

def key(key: str = Header("")):
    if key != "open":
        raise HTTPException(401, "no key")

service.dependencies = [Depends(key)]

@service.get("/sum")
async def total_of(to: int) -> int:
    return sum([number async for number in service["numbers"].stream(to=to)])

@service.get("/sum-in-thread")
def total_in_thread(to: int) -> int:
    return sum(service["numbers"].stream(to=to))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Without anything in front."""
    folder = tmp_path_factory.mktemp("inside")
    with serve(write_app(folder, MODELS), "--workers", "1", "--standby", "off") as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a dependency."""
    folder = tmp_path_factory.mktemp("guarded")
    with serve(write_app(folder, MODELS + GUARD), "--workers", "1", "--standby", "off") as running:
        yield running


def holds(served: Served, name: str, text: str) -> bool:
    """Whether a generator has written that."""
    path: Path = served.log.parent / name
    return path.exists() and text in path.read_text().splitlines()


def test_a_model_streams_what_another_one_streams(served: Served) -> None:
    with reading(served.port, "upper", {"text": "so what", "wait": 0.3}) as reader:
        assert reader.line() == b'"SO"'
        assert reader.items() == ["WHAT"]


@pytest.mark.parametrize(
    ("model", "body", "answer"),
    [
        ("all", {"to": 3}, [0, 1, 2]),
        ("total", {"to": 5000}, 12497500),
        ("careful", {"text": "so boom"}, ["so", "words"]),
        ("first", {"text": "so what " * 1000}, "so"),
    ],
)
def test_a_model_reads_a_stream_to_its_end_or_for_a_while(
    served: Served, model: str, body: object, answer: object
) -> None:
    assert served.predict(body, model).json == answer


def test_to_leave_the_loop_early_stops_the_inner_model(served: Served) -> None:
    assert served.predict({"text": "so what " * 1000}, "first").status == 200
    until(lambda: holds(served, "first", "closed"), 1.0)


def test_a_reader_who_leaves_stops_the_inner_model_too(served: Served) -> None:
    with reading(served.port, "upper", {"text": "so what " * 1000, "wait": 0.1}) as reader:
        reader.line()
    until(lambda: holds(served, "inner", "closed"), 1.0)


def test_an_inner_failure_names_its_branch(served: Served) -> None:
    with reading(served.port, "upper", {"text": "so boom"}, accept=EVENTS) as reader:
        *_, (name, error) = reader.events()
    assert (name, error["detail"][0]["loc"]) == ("error", ["model", "upper", "model", "words"])


def test_a_model_that_answers_once_has_no_items(served: Served) -> None:
    assert served.predict({"x": 1}, "confused").status == 500
    served.wait_for("it answers once")


def test_a_guarded_stream_wants_the_key_and_then_streams(guarded: Served) -> None:
    body = {"text": "so what"}
    assert guarded.predict(body, "words", accept=EVENTS).status == 401
    with reading(guarded.port, "words", body, accept=EVENTS, key="open") as reader:
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert [name for name, _ in reader.events()] == ["message", "message", "end"]


def test_a_guarded_generator_is_closed_when_its_reader_leaves(guarded: Served) -> None:
    body = {"text": "so what " * 1000, "wait": 0.1, "name": "guarded"}
    with reading(guarded.port, "words", body, key="open") as reader:
        reader.line()
    until(lambda: holds(guarded, "guarded", "closed"), 1.0)


@pytest.mark.parametrize("path", ["sum", "sum-in-thread"])
def test_a_route_reads_a_stream(guarded: Served, path: str) -> None:
    assert guarded.ask("GET", f"/{path}?to=1000", key="open").json == 499500


def test_no_websocket_slips_past_a_guard(guarded: Served) -> None:
    with Socket(guarded.port, "/models/words/predict") as client:
        assert not client.accepted

"""Schemathesis takes a service as it is shown in the documentation, and finds nothing, whatever the bodies are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field

import modelport
from modelport import Array, Columns, Image, Service

Write = Callable[..., Path]
EXAMPLES = 8
needs_schemathesis = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)


class Mood(StrEnum):
    """A few texts."""

    CALM, WILD = "calm", "wild"


class Song(BaseModel):
    """Nested, bounded, optional."""

    title: str = Field(min_length=1, max_length=20)
    beats: int = Field(ge=1, le=400)
    mood: Mood = Mood.CALM
    parts: list[float] = []


class Verdict(BaseModel):
    """An answer with fields."""

    title: str
    score: float


def make_service(track: Path) -> Service:
    """A model for every kind of body."""
    service = Service("bodies")
    service.model("track", track)

    @service.model("fields", example={"beats": 120})
    def fields(beats: int, name: str = "nobody", kind: Literal["a", "b"] | None = None) -> float:
        return float(beats) / 2

    @service.model("record")
    def record(song: Song) -> Verdict:
        return Verdict(title=song.title, score=len(song.parts) / song.beats)

    @service.model("batch", batch=True)
    def batch(songs: list[Song]) -> list[Verdict]:
        return [Verdict(title=song.title, score=float(song.beats)) for song in songs]

    @service.model("array", example=[1.0, 2.0, 3.0])
    def array(values: Annotated[np.ndarray, Array("float32", (3,))]) -> Annotated[np.ndarray, Array("float64", (3,))]:
        return np.cumsum(values, dtype="float64")

    @service.model("table", example=[{"a": 1, "b": 2.5}])
    def table(rows: Annotated[Any, Columns(a=int, b=float)]) -> float:
        return float(len(rows))

    @service.model("raw")
    def raw(content: bytes) -> int:
        return len(content)

    @service.model("picture")
    def picture(image: Annotated[np.ndarray, Image()], scale: float = 1.0) -> float:
        return float(image.mean() * scale)

    @service.post("/songs/{number}")
    async def note(number: int, song: Song, loud: bool = False) -> Verdict:
        answer: Verdict = await service["record"](song)
        return answer

    return service


@pytest.fixture
def document(fake: Write) -> Iterator[Any]:
    """The service as Schemathesis sees it."""
    schemathesis = importlib.import_module("schemathesis")
    application = modelport.wsgi(make_service(fake("track")))
    yield schemathesis.openapi.from_wsgi("/openapi.json", application)
    application.stop()


CANNOT_SAY = frozenset({"table", "picture", "raw"})
"""JSON Schema has no words for columns of one length, for an image, nor for base64: what it allows may be refused there."""


@needs_schemathesis
@pytest.mark.slow
def test_schemathesis_finds_nothing_in_a_service_with_every_kind_of_body(document: Any) -> None:
    asked: dict[str, set[int]] = {}
    for operation in document.get_all_operations():
        found = operation.ok()
        asked[f"{found.method.upper()} {found.path}"] = check_operation(found)
    models = ("track", "fields", "record", "batch", "array", "table", "raw", "picture")
    assert asked.keys() >= {f"POST /models/{name}/predict" for name in models} | {"POST /songs/{number}"}
    assert 200 in asked["POST /models/record/predict"]


def check_operation(operation: Any) -> set[int]:
    """Ask what Schemathesis makes up for it; which statuses came."""
    checks = importlib.import_module("schemathesis.specs.openapi.checks")
    statuses: set[int] = set()
    left_out = [checks.positive_data_acceptance] if operation.path.split("/")[2:3] in [[n] for n in CANNOT_SAY] else []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        statuses.add(case.call_and_validate(excluded_checks=left_out).status_code)

    check()
    return statuses

"""What is known of an application: plain data, in the shape that `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Level = Literal["breaks", "wrong", "risk", "note"]
LEVELS: dict[Level, str] = {
    "breaks": "fails under today's versions, or on a request that it should answer",
    "wrong": "answers, and the answer can be wrong without anybody noticing",
    "risk": "insecure, or fails in production",
    "note": "works; worth knowing",
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that breaks or is wrong. `rule` is stable; `what` says it of this very place; `remedy` says what to do."""

    rule: str
    level: Level
    place: Place
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Input:
    """How a route takes something: `source` is json, form, query, files, path, headers, cookies, body or text."""

    source: str
    names: tuple[str, ...] = ()
    type: str = ""


@dataclass(slots=True)
class Stored:
    """What a model file says of itself, read without running anything of it."""

    cls: str = ""
    library: str = ""
    version: str = ""
    features: tuple[str, ...] = ()
    count: int | None = None
    classes: tuple[Any, ...] = ()
    joblib: bool = False
    parts: tuple[str, ...] = ()
    error: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """Name and kind of each input as Modelport would serve it; empty where it cannot."""
    task: str = ""
    probabilities: bool = False
    outputs: int = 1
    refused: str = ""
    """Why Modelport would not serve it."""


@dataclass(slots=True)
class ModelFile:
    """A file that the application loads. `when` is import, main, startup, request or lazily."""

    variable: str
    written: str | None
    loader: str
    when: str
    place: Place
    relative_to: str = ""
    path: Path | None = None
    role: str = "file"
    stored: Stored | None = None
    key: str = ""


@dataclass(slots=True)
class Route:
    """One path of the application, with what its handler takes, does and gives."""

    path: str
    methods: tuple[str, ...]
    handler: str
    place: Place
    inputs: tuple[Input, ...] = ()
    answers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    order: str = ""
    """Who decides the order of the features: `code`, `schema` (the fields of a class), or `client`."""
    moved: bool = False
    stays: str = ""
    """Why it stays mounted; empty where it moves, or predicts nothing."""


@dataclass(slots=True)
class Report:
    """Everything that was found."""

    app: str
    framework: str
    variable: str
    files: tuple[str, ...]
    routes: list[Route] = field(default_factory=list)
    models: list[ModelFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: str = ""
    """The service that was written; empty where none was asked for."""

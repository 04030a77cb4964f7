"""Where in a JSON text something stands that must not: a bare NaN or Infinity, a key that stands twice in one object.

The standard parser tells neither. These read a text again that was refused already; what stands before the fault is known to
be well-formed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from modelport.errors import Loc

MAX_SEARCHED = 1_000_000
"""Characters that are walked through for a path; who sends more is told line and column, or the key alone."""

MAX_PATH = 20
"""Levels that a path names; what is nested deeper is told by line and column."""

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_BEFORE_CONSTANT = re.compile(rf'(?:[^"NI]++|{_STRING})*+(?=NaN|Infinity)', re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|[{{}}\[\],]|-?(?:NaN|Infinity)", re.DOTALL)


class Place(NamedTuple):
    """A place in a body, as a caller counts: path from the body on, line and column from 1."""

    loc: Loc
    offset: int
    text: str

    @property
    def line_and_column(self) -> str:
        """In the words of the standard parser's own messages."""
        line = self.text.count("\n", 0, self.offset) + 1
        return f"line {line}, column {self.offset - self.text.rfind(chr(10), 0, self.offset)}"


@dataclass(slots=True)
class _Level:
    """One open list or object: where in it the walk is, and the keys so far."""

    at: str | int | None
    keys: set[str] = field(default_factory=set)
    wants_key: bool = True

    def take_key(self, key: str) -> bool:
        """Whether it stands there for the first time."""
        first = key not in self.keys
        self.keys.add(key)
        self.at, self.wants_key = key, False
        return first


def find_constant(text: str) -> Place | None:
    """The first bare NaN, Infinity or -Infinity."""
    before = _BEFORE_CONSTANT.match(text)
    if before is None:
        return None
    start = before.end() - (text[before.end() - 1 : before.end()] == "-")
    found = (
        (loc for loc, offset, twice in _walk(text[:MAX_SEARCHED]) if not twice) if start < MAX_SEARCHED else iter(())
    )
    return Place(next(found, ("body",)), start, text)


def find_twice(text: str) -> Place | None:
    """The first key that stands in its object already, where it stands again; None where that is far into the text."""
    found = (Place(loc, offset, text) for loc, offset, twice in _walk(text[:MAX_SEARCHED]) if twice)
    return next(found, None)


def _walk(text: str) -> Iterator[tuple[Loc, int, bool]]:
    """Path and offset of everything that must not be there, and whether it is a key."""
    levels: list[_Level] = []
    for token in _TOKEN.finditer(text):
        said = token[0]
        top = levels[-1] if levels else None
        if said in "{[":
            levels.append(_Level(0 if said == "[" else None))
        elif said in "}]":
            levels = levels[:-1]
        elif said == ",":
            _go_on(top)
        elif said[0] != '"':
            yield _path(levels), token.start(), False
        elif top is not None and not isinstance(top.at, int) and top.wants_key and not top.take_key(json.loads(said)):
            yield _path(levels), token.start(), True


def _go_on(level: _Level | None) -> None:
    if level is None:
        return
    if isinstance(level.at, int):
        level.at += 1
    else:
        level.wants_key = True


def _path(levels: list[_Level]) -> Loc:
    return ("body", *(level.at for level in levels[:MAX_PATH] if level.at is not None))

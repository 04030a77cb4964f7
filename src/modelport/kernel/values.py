"""The small values that every other part speaks in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Record = tuple[Any, ...]
"""One validated input: its values in the order of the signature's fields."""

Loc = tuple[str | int, ...]
"""Where in a request something is: `("body", 3, "tempo")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request, in the shape FastAPI made familiar, plus a hint that a beginner can act on."""

    loc: Loc
    message: str
    type: str
    input: Any = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the caller of one record gets instead of an answer.

    `code` is stable, `message` shows no internals; `cause` is for the log alone.
    """

    code: str
    message: str
    cause: str = ""

"""The small values that every other part speaks in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelport.errors import Problem

Record = tuple[Any, ...]
"""One validated input: its values in the order of the signature's fields."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the caller of one record gets instead of an answer.

    `code` is stable, `message` shows no internals; `cause` is for the log alone. `problems`: of a call
    that the model made and that failed, what was wrong and in which branch.
    """

    code: str
    message: str
    cause: str = ""
    problems: tuple[Problem, ...] = ()

"""The small values that every other part speaks in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelport.errors import InvalidInput, Problem

Record = tuple[Any, ...]
"""One validated input: its values in the order of the signature's fields."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the caller of one record gets instead of an answer.

    `code` is stable, `message` shows no internals; `cause` is for the log alone. `error`: what was wrong with the record
    itself, where that was seen only when it was run. `problems`: of a call that the model made and that failed, what was
    wrong and in which branch.
    `status`: the one that the model chose itself; 0 where its code decides.
    """

    code: str
    message: str
    cause: str = ""
    error: InvalidInput | None = None
    problems: tuple[Problem, ...] = ()
    status: int = 0

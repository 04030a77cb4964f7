"""The rows that a model was asked when it was saved, put to it as a service: no proof has seen them.

Each is sent as a caller would send it, so what the service refuses is no answer; what it answers is held against the answer of
the release that saved the model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

PROBABILITY_TOLERANCE, VALUE_TOLERANCE = 1e-5, 1e-6
"""As documented for serving: absolute, and relative."""

NOISE = 1e-9
"""Relative to the greatest value among the usual rows: what is left of a sum that cancels to nothing."""

Row = Any
"""A text, a list of numbers, or an object of names and values."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One row and what each method answered to it alone: values, or {"raises": …}."""

    row: Row
    predict: Any
    probabilities: Any = None
    usual: bool = False


@dataclass(slots=True)
class Found:
    """What became of the rows of one model. `refused_more`: answered there, and refused here, which a caller is told.

    `company`: the release answers as the service does where it is asked the row alone, and not where others are beside it.
    """

    equal: int = 0
    refused_more: int = 0
    refused_alike: int = 0
    company: int = 0
    differences: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "equal": self.equal,
            "refused_more": self.refused_more,
            "refused_alike": self.refused_alike,
            "company": self.company,
            "differences": self.differences,
        }


# -- what was asked ----------------------------------------------------------------------------------------------------


def asked_rows(case: Any) -> list[Asked]:
    """The usual rows and the odd ones of a saved case, each with its answers."""
    answers = case["answers"]
    predict, tables = answers["predict"], answers.get("predict_proba", [{"nothing": True}] * len(answers["predict"]))
    found = [
        Asked(row, answer_of(predict[0], i), answer_of(tables[0], i), usual=True)
        for i, row in enumerate(rows_of(case["usual"]))
    ]
    odd = zip(rows_of(case["odd"]), predict[1:], tables[1:], strict=True)
    return found + [Asked(row, answer_of(one, 0), answer_of(table, 0)) for row, one, table in odd]


def rows_of(packed: Any) -> list[Row]:
    """Rows as `packed_rows` has written them."""
    if "plain" in packed:
        return list(packed["plain"])
    if "table" in packed:
        names = [name for name, _ in packed["table"]]
        return [dict(zip(names, row, strict=True)) for row in zip(*(v for _, v in packed["table"]), strict=True)]
    return [row if isinstance(row, list) else [row] for row in packed["array"]]


def answer_of(answer: Any, index: int) -> Any:
    """The answer to one row, of an answer to all of them; of several outputs a list."""
    if "raises" in answer or "nothing" in answer:
        return answer
    if "list" in answer:
        return [answer_of(part, index) for part in answer["list"]]
    size = math.prod(answer["shape"][1:])
    values = answer["values"][index * size : (index + 1) * size]
    return values if len(answer["shape"]) > 1 else values[0]


def body_of(row: Row, names: Sequence[str]) -> dict[str, Any] | None:
    """The record that a caller sends; None for what JSON cannot carry."""
    if isinstance(row, str):
        values = {names[0]: row}
    elif isinstance(row, dict):
        values = {name: row[name] for name in names if name in row}
    else:
        values = dict(zip(names, row, strict=True))
    gaps = {name: None if value != value else value for name, value in values.items()}
    return None if any(isinstance(v, float) and math.isinf(v) for v in gaps.values()) else gaps


# -- asking ------------------------------------------------------------------------------------------------------------


def hold(
    asked: Sequence[Asked],
    names: Sequence[str],
    ask: Callable[[bytes], Any],
    alone: Callable[[bytes], Any] | None = None,
) -> Found:
    """Ask every row, the usual ones together. `ask` takes a body and gives its answer or answers, or None where it is refused.

    `alone` asks the release itself, where answers differ: those of a few models depend on the rows beside them.
    """
    found, scale = Found(), _scale(asked)
    bodies = [body_of(each.row, names) for each in asked]
    for number, (each, body, answer) in enumerate(zip(asked, bodies, _answers(asked, bodies, ask), strict=True)):
        refused_there = isinstance(each.predict, dict)
        if answer is None:
            found.refused_alike += refused_there
            found.refused_more += not refused_there
        elif said := next(differences(each, answer, scale), ""):
            if alone is not None and _close_all(answer, alone(json.dumps(body).encode()), scale):
                found.company += 1
            else:
                found.differences.append(f"row {number}: {said}")
        else:
            found.equal += 1
    return found


def _answers(asked: Sequence[Asked], bodies: Sequence[Any], ask: Callable[[bytes], Any]) -> list[Any]:
    """Of the usual rows together, as the release was asked them, and of the odd ones alone; None where one is refused."""
    usual = [i for i, each in enumerate(asked) if each.usual and bodies[i] is not None]
    together = ask(json.dumps([bodies[i] for i in usual]).encode()) if usual else []
    found = dict(zip(usual, together, strict=True)) if isinstance(together, list) else {}
    for i, body in enumerate(bodies):
        if i not in found:
            found[i] = None if body is None else ask(json.dumps(body).encode())
    return [found[i] for i in range(len(asked))]


def _close_all(answer: Any, other: Any, scale: float) -> bool:
    """Whether two answers of services are one."""
    if other is None or set(answer) != set(other):
        return False
    pairs = zip(_leaves(answer["prediction"]), _leaves(other["prediction"]), strict=True)
    shares = zip(_leaves(answer.get("probabilities")), _leaves(other.get("probabilities")), strict=True)
    return all(_same(b, a, scale) for a, b in pairs) and all(_close(b, a) for a, b in shares if b is not None)


def _leaves(value: Any) -> list[Any]:
    return [leaf for inner in value.values() for leaf in _leaves(inner)] if isinstance(value, dict) else [value]


def _scale(asked: Sequence[Asked]) -> float:
    numbers = [abs(v) for each in asked[:25] for v in flat(each.predict) if isinstance(v, float) and math.isfinite(v)]
    return max(numbers, default=1.0)


def flat(values: Any) -> list[Any]:
    """The values of nested lists."""
    if isinstance(values, dict):
        return []
    return [inner for value in values for inner in flat(value)] if isinstance(values, list) else [values]


def differences(asked: Asked, answer: Any, scale: float) -> Iterator[str]:
    """In what an answer is not what it was there, in words."""
    if isinstance(asked.predict, dict):
        yield f"answers what was refused with {asked.predict.get('says')}"
        return
    said = answer["prediction"]
    wanted, got = flat(asked.predict), list(said.values()) if isinstance(said, dict) else [said]
    if len(wanted) != len(got) or not all(map(lambda a, b: _same(a, b, scale), wanted, got)):
        yield f"{got} for {wanted}"
    if "probabilities" in answer and not isinstance(asked.probabilities, dict):
        shares, known = _shares(answer["probabilities"]), flat(asked.probabilities)
        if len(shares) == 2 * len(known):  # of each label of several: no, yes
            shares = shares[1::2]
        if len(shares) != len(known) or not all(map(_close, known, shares)):
            yield f"probabilities {shares} for {known}"


def _shares(probabilities: Any) -> list[Any]:
    """In the order of the classes, output by output."""
    return [p for v in probabilities.values() for p in (v.values() if isinstance(v, dict) else [v])]


def _same(wanted: Any, got: Any, scale: float) -> bool:
    if not isinstance(wanted, float) or not isinstance(got, float | int):
        return bool(wanted == got) or (wanted != wanted and got is None)
    return math.isclose(wanted, got, rel_tol=VALUE_TOLERANCE, abs_tol=NOISE * scale)


def _close(wanted: Any, got: Any) -> bool:
    if got is None:
        return bool(wanted != wanted)
    return bool(abs(wanted - got) <= PROBABILITY_TOLERANCE)

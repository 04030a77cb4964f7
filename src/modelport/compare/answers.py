"""How two answers differ: pure comparison, nothing is asked here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

IGNORED = frozenset(
    {
        *("date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "via", "age"),
        *("x-request-id", "request-id", "x-process-time", "server-timing"),
    }
)
"""Headers that differ between two servers, or two calls of one, and say nothing about the answer."""
UNORDERED = frozenset(
    {
        *("allow", "vary", "accept-ranges"),
        *("access-control-allow-headers", "access-control-allow-methods", "access-control-expose-headers"),
    }
)
"""Headers that are lists in no order; frameworks write some of them out of sets, each process in another order."""
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the reason why none came."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: `what` is status, body, or a header's name; `where` is a place in a JSON body."""

    what: str
    old: Any
    new: Any
    where: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as equal. `tolerance` is relative, and absolute around zero."""

    tolerance: float = 0.0
    ignored: frozenset[str] = IGNORED


def differences(old: Answer, new: Answer, rules: Rules) -> list[Difference]:
    """Everything in which two answers differ; empty where they are equal."""
    if old.error or new.error:
        return [Difference("answer", old.error or "answered", new.error or "answered")]
    found = [Difference("status", old.status, new.status)] if old.status != new.status else []
    found += _headers(old, new, rules)
    return [*found, *_bodies(old, new, rules)]


def _headers(old: Answer, new: Answer, rules: Rules) -> Iterator[Difference]:
    """By name, each with all its values in their order."""
    names = [name.lower() for name, _ in (*old.headers, *new.headers)]
    for name in dict.fromkeys(names):
        if name in rules.ignored:
            continue
        left, right = _values(old, name), _values(new, name)
        if name == "content-type":
            left, right = [_media_type(v) for v in left], [_media_type(v) for v in right]
        if name in UNORDERED and _parts(left) == _parts(right):
            continue
        if left != right:
            yield Difference(name, ", ".join(left) or None, ", ".join(right) or None)


def _values(answer: Answer, name: str) -> list[str]:
    return [value for key, value in answer.headers if key.lower() == name]


def _parts(values: list[str]) -> set[str]:
    return {part.strip().lower() for value in values for part in value.split(",")}


def _media_type(value: str) -> str:
    """Without spaces and case, and without the charset that JSON has anyway."""
    parts = [part.strip().lower() for part in value.split(";")]
    kept = [p for p in parts[1:] if not (parts[0] == "application/json" and p.replace('"', "") == "charset=utf-8")]
    return "; ".join([parts[0], *kept])


def _bodies(old: Answer, new: Answer, rules: Rules) -> Iterator[Difference]:
    if old.body == new.body:
        return
    if _is_json(old) and _is_json(new):
        try:
            left, right = json.loads(old.body), json.loads(new.body)
        except (ValueError, RecursionError):
            pass
        else:
            yield from _trees(left, right, rules.tolerance)
            return
    yield Difference("body", _shown(old.body), _shown(new.body))


def _is_json(answer: Answer) -> bool:
    kind = _media_type(next(iter(_values(answer, "content-type")), ""))
    return kind.startswith("application/") and (kind.startswith("application/json") or "+json" in kind)


def _trees(old: Any, new: Any, tolerance: float) -> Iterator[Difference]:
    """Differences of two JSON values, without recursion: bodies may be as deep as they like."""
    ahead: list[tuple[str, Any, Any]] = [("$", old, new)]
    while ahead:
        where, left, right = ahead.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            keys = list(dict.fromkeys([*left, *right]))
            ahead += [(f"{where}.{key}", left.get(key, _MISSING), right.get(key, _MISSING)) for key in reversed(keys)]
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            ahead += [(f"{where}[{n}]", a, b) for n, (a, b) in reversed(list(enumerate(zip(left, right, strict=True))))]
        elif not _equal(left, right, tolerance):
            yield Difference("body", _told(left), _told(right), where)


def _equal(left: Any, right: Any, tolerance: float) -> bool:
    """1 and 1.0 are one number of JSON; true and 1 are not."""
    if isinstance(left, bool) or isinstance(right, bool) or not _are_numbers(left, right):
        return type(left) is type(right) and bool(left == right)
    if isinstance(left, int) and isinstance(right, int) and not tolerance:
        return left == right
    try:
        same = left == right or (math.isnan(left) and math.isnan(right))
        return same or math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False


def _are_numbers(left: Any, right: Any) -> bool:
    return isinstance(left, int | float) and isinstance(right, int | float)


def _told(value: Any) -> Any:
    if value is _MISSING:
        return "(missing)"
    if isinstance(value, list):
        return f"(a list of {len(value)})"
    return "(an object)" if isinstance(value, dict) else value


def _shown(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"
    return text if len(text) <= 200 else f"{text[:200]}… ({len(body)} bytes)"

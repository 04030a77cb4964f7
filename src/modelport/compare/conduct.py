"""What a contestant answers to bodies that are none: a client's mistake wants a 4xx, and no answer of a model."""

from __future__ import annotations

import json
from typing import Any

from modelport.compare.client import post_all
from modelport.compare.subject import Subject

UNKNOWN_FIELD = "a field that is unknown"
LOST = 0
"""Where nothing came back."""


def wrong_bodies(subject: Subject) -> dict[str, bytes]:
    """By what is wrong with them."""
    row = dict(subject.rows[0])
    first = subject.fields[0]["name"]
    missing = {name: value for name, value in row.items() if name != first}
    found: dict[str, bytes] = {
        "no JSON": b'{"',
        "an empty body": b"",
        "a field is missing": _json(missing),
        "a list in place of a value": _json({**row, first: [1]}),
        "null in place of a value": _json({**row, first: None}),
        UNKNOWN_FIELD: _json({**row, "no_such_field": 1}),
    }
    if subject.fields[0]["nullable"]:
        del found["null in place of a value"]
    if subject.fields[0]["type"] in ("float", "int"):
        found["a word in place of a number"] = _json({**row, first: "many"})
    return found


def refusable_bodies(subject: Subject) -> dict[str, bytes]:
    """Those that nobody may take for an input: an unknown field may well be ignored."""
    return {title: body for title, body in wrong_bodies(subject).items() if title != UNKNOWN_FIELD}


def statuses(port: int, path: str, subject: Subject) -> dict[str, int]:
    """The status of each answer."""
    found = {}
    for title, body in wrong_bodies(subject).items():
        try:
            found[title] = post_all(port, path, [body])[0].status
        except Exception:  # whatever it is, it is no answer
            found[title] = LOST
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

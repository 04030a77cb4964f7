"""The one shape that every error body has, asserted in one place."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_ERROR_BYTES = 300_000  # a hundred problems, each with a bounded picture of its input
MAX_INPUT_BYTES = 12_000
LEAKS = re.compile(r'Traceback|File "|\.py\b|/usr/|/tmp/|/home/|site-packages|0x[0-9a-f]{6,}')


def strict_json(body: bytes) -> Any:
    """Parsed as the standard has it: UTF-8, no NaN, no Infinity, no half surrogate."""
    value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


def assert_error_body(body: bytes) -> list[dict[str, Any]]:
    """FastAPI's shape, bounded, and nothing of our insides in it. Gives the entries of `detail`."""
    assert len(body) <= MAX_ERROR_BYTES, f"an error body of {len(body)} bytes"
    content = strict_json(body)
    assert list(content) == ["detail"], content
    assert content["detail"], "an error without a detail"
    for entry in content["detail"]:
        assert_problem(entry)
    return list(content["detail"])


def assert_problem(entry: dict[str, Any]) -> None:
    """One entry of `detail`."""
    assert {"loc", "msg", "type", "input"} <= set(entry) <= {"loc", "msg", "type", "input", "hint"}, entry
    assert entry["loc"], entry
    assert all(isinstance(part, str) or type(part) is int for part in entry["loc"]), entry
    assert all(isinstance(entry[key], str) and entry[key] for key in ("msg", "type")), entry
    assert re.fullmatch("[a-z][a-z_0-9]*", entry["type"]), entry
    assert len(entry["msg"]) <= 500, entry
    assert len(json.dumps(entry["input"])) <= MAX_INPUT_BYTES, "an input that was not cut short"
    assert len(entry.get("hint", "")) <= 1000, entry
    leak = LEAKS.search(entry["msg"] + entry.get("hint", ""))
    assert leak is None, f"an error that shows {leak}"

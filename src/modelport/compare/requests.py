"""The requests of a file: one JSON object on each line."""

from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.errors import SetupError

KEYS = ("method", "path", "headers", "json", "body", "body_base64")
MOST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the line of the file that holds it."""

    line: int
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


def read_requests(path: Path) -> list[Request]:
    """Every request of a file. Raises SetupError, which names the line, for what is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SetupError(f"{path} has more than {MOST_BYTES // 2**20} MiB: replay a part of it")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SetupError(f"the file {path} does not exist") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SetupError(f"{path} is no UTF-8: write one JSON object on each line") from None
    found = list(_requests(path, text))
    if not found:
        raise SetupError(f'{path} holds no request: write one JSON object on each line, such as  {{"path": "/"}}')
    return found


def _requests(path: Path, text: str) -> Iterator[Request]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                yield _request(number, json.loads(line), where)
            except (json.JSONDecodeError, RecursionError) as error:
                raise SetupError(f"{where} is no JSON: {getattr(error, 'msg', 'it is nested too deeply')}") from None


def _request(number: int, entry: Any, where: str) -> Request:
    if not isinstance(entry, dict):
        raise SetupError(f'{where} is no JSON object: write  {{"method": "POST", "path": "/predict", "json": …}}')
    for key in entry:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}"
            raise SetupError(f"{where}: {key!r} is not a key of a request; {hint}")
    path = entry.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise SetupError(f"{where}: 'path' wants a text that begins with /, not {path!r:.60}")
    headers = entry.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(v, str) and v.isprintable() for v in headers.values()):
        raise SetupError(f"{where}: 'headers' wants an object of texts, not {headers!r:.60}")
    given = [key for key in ("json", "body", "body_base64") if key in entry]
    if len(given) > 1:
        raise SetupError(f"{where}: {' and '.join(map(repr, given))} exclude each other")
    content, kind = _content(entry, given[0] if given else "", where)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers = {"content-type": kind, **headers}
    method = entry.get("method", "POST" if given else "GET")
    if not isinstance(method, str) or not method.isalpha() or not method.isascii():
        raise SetupError(f"{where}: 'method' wants a text such as POST, not {method!r:.60}")
    return Request(number, method.upper(), path, headers, content)


def _content(entry: dict[str, Any], key: str, where: str) -> tuple[bytes, str]:
    if key == "json":
        return json.dumps(entry["json"], ensure_ascii=False).encode(), "application/json"
    if not key:
        return b"", ""
    if not isinstance(entry[key], str):
        raise SetupError(f"{where}: {key!r} wants a text; give what is JSON under 'json'")
    if key == "body":
        return entry["body"].encode(), ""
    try:
        return base64.b64decode(entry[key], validate=True), ""
    except ValueError:
        raise SetupError(f"{where}: 'body_base64' is no base64") from None

"""The file of requests: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelport.compare.requests import Request, read_requests
from modelport.errors import SetupError


def read(folder: Path, text: str) -> list[Request]:
    """The requests of a text."""
    path = folder / "r.ndjson"
    path.write_text(text, encoding="utf-8")
    return read_requests(path)


def test_methods_bodies_and_headers_are_read(tmp_path: Path) -> None:
    lines = (
        '{"path": "/a?b=1"}',
        "",
        '{"path": "/p", "json": {"ä": 1}}',
        '{"method": "put", "path": "/p", "body": "a=1", "headers": {"Content-Type": "text/plain"}}',
        '{"path": "/p", "body_base64": "AAE="}',
    )
    found = read(tmp_path, "\n".join(lines))
    assert [(r.line, r.method) for r in found] == [(1, "GET"), (3, "POST"), (4, "PUT"), (5, "POST")]
    assert (found[1].content, found[1].headers) == ('{"ä": 1}'.encode(), {"content-type": "application/json"})
    assert (found[2].content, found[2].headers) == (b"a=1", {"Content-Type": "text/plain"})
    assert found[3].content == b"\0\1"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("hello", "r.ndjson:1 is no JSON"),
        ("[1]", "r.ndjson:1 is no JSON object"),
        ('{"method": "GET"}', "r.ndjson:1: 'path' wants a text that begins with /, not None"),
        ('{"path": "http://a/b"}', "begins with /"),
        ('{"path": "/", "jsn": 1}', "'jsn' is not a key of a request; did you mean 'json'?"),
        ('{"path": "/", "json": 1, "body": "1"}', "'json' and 'body' exclude each other"),
        ('{"path": "/", "body": {"a": 1}}', "give what is JSON under 'json'"),
        ('{"path": "/", "body_base64": "!"}', "is no base64"),
        ('{"path": "/", "headers": ["a"]}', "'headers' wants an object of texts"),
        ('{"path": "/", "headers": {"a": "b\\nc"}}', "'headers' wants an object of texts"),
        ('{"path": "/", "method": "GE T"}', "'method' wants a text such as POST"),
        ("", "holds no request"),
    ],
)
def test_what_is_no_request_is_refused_with_its_line(line: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        read(tmp_path, line)
    assert complaint in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not exist"):
        read_requests(tmp_path / "no.ndjson")

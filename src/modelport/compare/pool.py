"""The requests of a load, written out once as the bytes that cross the wire, for every generator alike.

The file holds for each request its length, a line break, and its bytes. The Lua script of wrk reads the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def request_bytes(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """One HTTP/1.1 request on a connection that stays open."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def write_pool(requests: Iterable[bytes], path: Path) -> Path:
    """Write all requests to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(b"%d\n" % len(request) + request for request in requests))
    return path


def read_pool(path: Path) -> list[bytes]:
    """Read them again."""
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        line_end = data.index(b"\n", place)
        begin = line_end + 1
        place = begin + int(data[place:line_end])
        found.append(data[begin:place])
    return found

"""What a worker keeps for its callers is bounded: bodies on their way in, answers that nobody reads."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.process.engine import Served, serve, until, write_app

LENGTH = """
@service.model("length")
def length(text: str) -> int:
    return len(text)
"""
BODY = b'{"text": "%b"}' % (b"x" * 700_000)


@pytest.fixture
def lines() -> Iterator[ExitStack]:
    """What is open for the length of a test."""
    with ExitStack() as stack:
        yield stack


def connect(served: Served, lines: ExitStack) -> socket.socket:
    """A raw connection."""
    return lines.enter_context(socket.create_connection(("127.0.0.1", served.port), 20))


def begin(served: Served, lines: ExitStack, path: str, sent: int, framing: str = "length") -> socket.socket:
    """A call of which a part is sent."""
    raw = connect(served, lines)
    length = b"content-length: %d" % len(BODY) if framing == "length" else b"transfer-encoding: chunked"
    raw.sendall(
        b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n%b\r\n\r\n" % (path.encode(), length)
    )
    raw.sendall(BODY[:sent] if framing == "length" else b"%x\r\n%b\r\n" % (sent, BODY[:sent]))
    return raw


def answer_of(raw: socket.socket) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and body."""
    with closing(http.client.HTTPResponse(raw)) as response:
        response.begin()
        return response.status, response.getheader("retry-after"), response.read()


@pytest.mark.parametrize("path", ["/predict", "/predict?asgi"])
def test_bodies_on_their_way_in_are_bounded_over_all_workers_and_refused_before_they_are_sent(
    lines: ExitStack, tmp_path: Path, path: str
) -> None:
    with serve(write_app(tmp_path, LENGTH), "--queue-bytes", "1MB", "--workers", "2", "--standby", "off") as served:
        first = begin(served, lines, path, 10_000)
        until(lambda: served.get("/livez").status == 200, 5)
        refused = [begin(served, lines, path, 10_000) for _ in range(4)]
        for raw in refused:
            raw.settimeout(3)
            status, retry, body = answer_of(raw)
            assert (status, retry) == (503, "1")
            assert b"of 1,000,000 bytes are taken by other bodies" in body
        assert served.predict({"text": "small"}).json == 5  # what comes whole has nothing to do with it
        first.sendall(BODY[10_000:])
        assert answer_of(first)[::2] == (200, b"700000")
        assert served.predict(BODY).status == 200


def test_a_refused_caller_that_sends_on_reads_why(lines: ExitStack, tmp_path: Path) -> None:
    with serve(write_app(tmp_path, LENGTH), "--queue-bytes", "1MB", "--standby", "off") as served:
        with closing(begin(served, lines, "/predict", 600_000, "chunked")):
            time.sleep(0.5)  # until a worker has read it
            assert [served.predict(BODY).status for _ in range(3)] == [503] * 3
        until(lambda: served.predict(BODY).status == 200, 5)


def test_a_body_larger_than_the_whole_queue_is_let_in_where_nothing_else_is(lines: ExitStack, tmp_path: Path) -> None:
    with serve(write_app(tmp_path, LENGTH), "--queue-bytes", "100kB", "--standby", "off") as served:
        for _ in range(3):
            whole = begin(served, lines, "/predict", len(BODY))
            assert answer_of(whole)[::2] == (200, b"700000")

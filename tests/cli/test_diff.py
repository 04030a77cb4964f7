"""`modelport diff` against two servers that really answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_command_line import Cli, cli

__all__ = ["cli"]


class Answering(BaseHTTPRequestHandler):
    """Answers a POST with a price; the server says which, and counts visits by a cookie."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Count visits; or send to another page of this server, by its whole address."""
        if self.path == "/moved":
            where = f"http://127.0.0.1:{self.server.server_port}/there?a=1"  # type: ignore[attr-defined]
            return self._answer(307, {}, {"Location": where})
        visits = int((self.headers.get("cookie") or "visits=0").partition("=")[2]) + 1
        return self._answer(200, {"visits": visits}, {"Set-Cookie": f"visits={visits}"})

    def do_POST(self) -> None:
        """Echo, with a price."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server: Any = self.server
        status = server.refuses if body.get("area", 0) < 0 else 200
        self._answer(status, {"price": server.price, "echo": body}, {"X-Server": server.name})

    def _answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serve(price: float, refuses: int, name: str) -> Any:
    """A server on a port of its own."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.price, server.refuses, server.name = price, refuses, name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def servers() -> Iterator[tuple[str, str]]:
    """An old one and a new one that differ a little in everything."""
    both = [serve(100.0, 400, "old"), serve(100.0000001, 422, "new")]
    yield tuple(f"http://127.0.0.1:{server.server_port}" for server in both)  # type: ignore[misc]
    for server in both:
        server.shutdown()
        server.server_close()


LINES = '{"path": "/"}\n{"path": "/"}\n{"path": "/predict", "json": {"area": 5}}\n{"path": "/predict", "json": {"area": -5}}\n'


@pytest.fixture
def requests(cli: Cli) -> Path:
    """Two visits, a prediction, and a body that is refused."""
    path = cli.folder / "requests.ndjson"
    path.write_text(LINES, encoding="utf-8")
    return path


def test_each_difference_is_shown_and_the_exit_code_is_1(cli: Cli, servers: tuple[str, str], requests: Path) -> None:
    done = cli("diff", "--old", servers[0], "--new", servers[1], requests)
    assert (done.code, done.err) == (1, "")
    assert (
        f'{requests}:3  POST /predict\n    x-server: "old" → "new"\n    body $.price: 100.0 → 100.0000001' in done.out
    )
    assert "    status: 400 → 422\n" in done.out
    assert ":1  GET" not in done.out
    assert done.out.endswith("2 of 4 requests answered differently\n")


def test_what_may_differ_is_no_difference(cli: Cli, servers: tuple[str, str], requests: Path) -> None:
    requests.write_text("\n".join(LINES.splitlines()[:3]))
    done = cli(
        "diff", "--old", servers[0], "--new", servers[1], requests, "--tolerance", "1e-6", "--ignore-header", "X-Server"
    )
    assert (done.code, done.out) == (0, "none of 3 requests answered differently\n")


def test_a_redirect_to_the_server_itself_is_compared_by_its_path(
    cli: Cli, servers: tuple[str, str], requests: Path
) -> None:
    requests.write_text('{"path": "/moved"}')
    done = cli("diff", "--old", servers[0], "--new", servers[1], requests)
    assert (done.code, done.out) == (0, "none of 1 requests answered differently\n")


def test_as_json_every_difference_has_its_place(cli: Cli, servers: tuple[str, str], requests: Path) -> None:
    told = json.loads(
        cli("diff", "--old", servers[0], "--new", servers[1], requests, "--json", "--ignore-header", "x-server").out
    )
    assert (told["requests"], told["differing"]) == (4, 2)
    assert told["differences"][0] == {
        "line": 3,
        "method": "POST",
        "path": "/predict",
        "what": "body",
        "where": "$.price",
        "old": 100.0,
        "new": 100.0000001,
    }


def test_a_server_that_is_not_there_is_told_before_anything_is_sent(
    cli: Cli, servers: tuple[str, str], requests: Path
) -> None:
    assert "nobody answers at http://127.0.0.1:1" in cli.refuses(
        "diff", "--old", servers[0], "--new", "http://127.0.0.1:1", requests
    )


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://a", "http://", "http://a:x"])
def test_what_is_no_address_is_refused(cli: Cli, requests: Path, address: str) -> None:
    assert "--old wants an address such as" in cli.refuses("diff", "--old", address, "--new", "http://a", requests)


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf"])
def test_a_tolerance_that_is_none_is_refused(
    cli: Cli, servers: tuple[str, str], requests: Path, tolerance: str
) -> None:
    complaint = cli.refuses("diff", "--old", servers[0], "--new", servers[1], requests, "--tolerance", tolerance)
    assert "--tolerance wants a number of at least 0" in complaint

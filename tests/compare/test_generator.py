"""The bundled load generator against a server that really answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelport.compare.generators import INSTALLERS, offer
from modelport.compare.histogram import Histogram
from modelport.compare.loadgen import Run, closed_loop, open_loop
from modelport.compare.pool import request_bytes


class Answering(BaseHTTPRequestHandler):
    """Answers in the manner that the path asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One answer; in chunks, until the end of the connection, refused, or none at all."""
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/hangs-up":
            self.close_connection = True
            return
        self.send_response(503 if self.path == "/refuses" else 200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"2\r\n{}\r\n0\r\n\r\n")
            return
        if self.path == "/closes":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def run_on(port: int, path: str) -> Run:
    """A run with four connections."""
    return Run(port, [request_bytes("POST", path, b'{"a": 1}', {})], connections=4, expect=200)


@pytest.mark.parametrize("path", ["/", "/chunked", "/closes"])
def test_every_manner_of_ending_an_answer_is_understood(port: int, path: str) -> None:
    found = open_loop(run_on(port, path), 0.2, rate=200, seed=1)
    assert found["statuses"] == {"200": found["offered"]}
    assert (found["failures"], found["unanswered"]) == ({}, 0)
    assert Histogram(found["answered"]).total == found["offered"] > 0


def test_what_is_refused_is_no_answer_but_counted(port: int) -> None:
    found = open_loop(run_on(port, "/refuses"), 0.2, rate=200, seed=1)
    assert (found["statuses"], found["answered"]) == ({"503": found["offered"]}, [])


def test_a_server_that_hangs_up_is_a_failure_each_time(port: int) -> None:
    found = open_loop(run_on(port, "/hangs-up"), 0.2, rate=100, seed=1)
    assert sum(found["failures"].values()) == found["offered"]


def test_a_closed_loop_asks_as_often_as_it_is_answered(port: int) -> None:
    found = closed_loop(run_on(port, "/"), 0.2)
    assert 0 < found["sent"] - found["statuses"]["200"] <= 4
    assert 0 <= found["idle_share"] <= 1


def test_nobody_there_is_a_failure_and_no_crash() -> None:
    found = open_loop(run_on(1, "/"), 0.1, rate=50, seed=1)
    assert sum(found["failures"].values()) == found["offered"]


@pytest.mark.parametrize("installer", [*INSTALLERS, ""])
def test_where_no_known_generator_is_found_the_command_that_installs_one_is_told(
    installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if installer:
        program(tmp_path / installer)
    said = offer()
    assert (INSTALLERS[installer] if installer else "under that name") in said
    assert "bundled generator" in said
    program(tmp_path / "wrk")
    assert offer() == ""


def program(path: Path) -> None:
    """Something that can be found as a program."""
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)

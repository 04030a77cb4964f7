"""A server that answers in the manner that the path asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answering(BaseHTTPRequestHandler):
    """One answer to each request."""

    protocol_version = "HTTP/1.1"
    over = threading.Event()

    def do_POST(self) -> None:
        """In chunks, until the end of the connection, refused, none at all, or none before the test is over."""
        self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/hangs-up":
            self.close_connection = True
            return
        if self.path == "/waits":
            self.over.wait(30)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave here."""


@contextmanager
def answering() -> Iterator[int]:
    """The port of one, while the block lasts."""
    Answering.over.clear()
    server = _Server(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        Answering.over.set()
        server.shutdown()
        server.server_close()

"""Models that answer item by item, and readers of their streams, for tests in real processes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Self

HEAD = """
from collections.abc import AsyncIterator, Iterator
from fastapi import HTTPException

def note(name, what):
    if name:
        with open(name, "a") as file:
            file.write(f"{what}\\n")

"""
COUNT = """
@service.model("count", parallel=4, example={"to": 2})
def count(to: int, wait: float = 0.0, name: str = "") -> Iterator[int]:
    note(name, "open")
    try:
        for number in range(to):
            yield number
            time.sleep(wait)
    finally:
        note(name, "closed")
"""
TICKS = """
@service.model("ticks")
async def ticks(to: int, wait: float = 0.0, name: str = "") -> AsyncIterator[dict[str, int]]:
    note(name, "open")
    try:
        for number in range(to):
            yield {"tick": number}
            await asyncio.sleep(wait)
    finally:
        note(name, "closed")
"""
ONE = """
@service.model("one")
class One:
    def load(self):
        self.word = "loaded"

    def predict(self, to: int, wait: float = 0.0) -> Iterator[str]:
        for number in range(to):
            yield self.word
            time.sleep(wait)
"""
PICKY = """
@service.model("picky")
def picky(at: int, how: str) -> Iterator[int]:
    for number in range(at):
        yield number
    if how == "forbidden":
        raise HTTPException(403, "not for you")
    if how == "boom":
        raise ValueError("boom inside")
    if how == "exit":
        time.sleep(0.3)
        os._exit(3)
    if how == "sleep":
        time.sleep(3)
    yield how
"""
LARGE = """
@service.model("large", parallel=4)
def large(items: int, size: int, name: str = "") -> Iterator[str]:
    try:
        for number in range(items):
            yield "x" * size
            note(name, number)
    finally:
        note(name, "closed")
"""
STUBBORN = """
@service.model("stubborn")
def stubborn(name: str) -> Iterator[int]:
    while True:
        try:
            yield 1
        except GeneratorExit:
            note(name, "asked")
            while True:
                pass
"""
MODELS = HEAD + COUNT + TICKS + ONE + PICKY + LARGE


@dataclass
class Reader:
    """An answer that is read bit by bit."""

    response: HTTPResponse
    connection: HTTPConnection

    @property
    def status(self) -> int:
        """Of its head."""
        return self.response.status

    def line(self) -> bytes:
        """The next line, without its end; empty at the end of the answer, too."""
        return self.response.readline().rstrip(b"\n")

    def items(self) -> list[Any]:
        """The rest, as lines of JSON."""
        return [json.loads(line) for line in self.response.read().splitlines()]

    def events(self) -> Iterator[tuple[str, Any]]:
        """Server-Sent Events, by the rules of the standard that matter here."""
        name, data = "message", ""
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data += line[6:]
            elif not line and data:
                yield name, json.loads(data)
                name, data = "message", ""

    def leave(self) -> None:
        """Hang up."""
        self.response.close()
        if self.connection.sock is not None:
            self.connection.sock.close()
        self.connection.close()


@contextmanager
def reading(port: int, model: str, body: Any, **headers: str) -> Iterator[Reader]:
    """Ask a model, and read its answer as it comes."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
    connection.request("POST", f"/models/{model}/predict", json.dumps(body), sent)
    reader = Reader(connection.getresponse(), connection)
    try:
        yield reader
    finally:
        reader.leave()


EVENTS = "text/event-stream"


class Socket:
    """A WebSocket, spoken with the library that servers speak it with."""

    def __init__(self, port: int, path: str) -> None:
        import wsproto
        from wsproto.events import Request

        self._raw = socket.create_connection(("127.0.0.1", port), 30)
        self._connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._raw.sendall(self._connection.send(Request(host="test", target=path)))
        self._events = self._receive()
        self.accepted = type(next(self._events)).__name__ == "AcceptConnection"

    def send(self, body: Any) -> None:
        """The body."""
        from wsproto.events import TextMessage

        self._raw.sendall(self._connection.send(TextMessage(data=json.dumps(body))))

    def _receive(self) -> Iterator[Any]:
        while True:
            data = self._raw.recv(65536)
            self._connection.receive_data(data or None)
            yield from self._connection.events()
            if not data:
                return

    def messages(self) -> Iterator[Any]:
        """Each as it comes; in the end its close code, as `{"close": 1000}`."""
        from wsproto.events import CloseConnection, Ping, TextMessage

        text = ""
        for event in self._events:
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    yield json.loads(text)
                    text = ""
            elif isinstance(event, Ping):
                self._raw.sendall(self._connection.send(event.response()))
            elif isinstance(event, CloseConnection):
                yield {"close": event.code}
                return

    def leave(self) -> None:
        """Hang up."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def read_slowly(port: int, model: str, body: Any) -> socket.socket:
    """A reader that takes nothing by itself, with as small a buffer as the system allows."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", port))
    content = json.dumps(body).encode()
    raw.sendall(
        b"POST /models/%b/predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (model.encode(), len(content), content)
    )
    return raw


def seconds_since(started: float) -> float:
    """How long ago that was."""
    return time.monotonic() - started

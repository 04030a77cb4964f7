"""The child's end of its line to the supervisor: JSON lines both ways, and descriptors down. End of file means: parent gone."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

Message = dict[str, Any]
MAX_DESCRIPTORS = 4


class Channel:
    """Tells the supervisor what happens here, and hears what to do."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._buffer = b""
        self.descriptors: list[int] = []

    def tell(self, **event: Any) -> None:
        """Report an event; a supervisor that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(event).encode() + b"\n")

    def listen(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        """Call back on the current loop, for every message and at the end of file."""
        import asyncio  # not at the top: the supervisor, which only sends, does without its 50 ms

        loop = asyncio.get_running_loop()

        def read() -> None:
            data, descriptors = b"", list[int]()
            with contextlib.suppress(ConnectionError):  # a supervisor that is killed with mail unread resets the line
                data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, MAX_DESCRIPTORS)
            self.descriptors += descriptors
            for message in self._messages(data):
                on_message(message)
            if not data:
                loop.remove_reader(self._socket)
                on_end()

        loop.add_reader(self._socket, read)

    def _messages(self, data: bytes) -> list[Message]:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]


def send(to: socket.socket, message: Mapping[str, Any], descriptors: list[int] | None = None) -> None:
    """The supervisor's end: a message, with descriptors if any; a child that is gone hears nothing."""
    data = json.dumps(message).encode() + b"\n"
    with contextlib.suppress(OSError):
        if descriptors:
            socket.send_fds(to, [data], descriptors)
        else:
            to.sendall(data)

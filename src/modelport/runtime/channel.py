"""The line between the supervisor and a child: JSON lines both ways, and descriptors down. End of file means: the other is gone.

Neither end ever blocks on the other: what the other does not take is kept here until it does.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Message = dict[str, Any]
MAX_DESCRIPTORS = 4
READ_BYTES = 65536
MAX_LINE_BYTES = 64 * 1024 * 1024
"""Far beyond the description of any model: what is longer is no message."""


class BadLine(ValueError):
    """The other end sent what is no message."""


class Line:
    """One end. Whoever owns it calls `flush` when the socket takes bytes again, and `receive` when there are some."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.closed = False  # the other end is gone
        self.backlog = 0  # bytes that the other end has not taken yet
        self.descriptors: list[int] = []
        self._unsent: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._received = bytearray()
        end.setblocking(False)

    def put(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message, now or with a later `flush`."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        self._unsent.append((data, descriptors))
        self.backlog += len(data)
        self.flush()

    def flush(self) -> None:
        """Send what the other end takes. One that is gone hears nothing."""
        try:
            while self._unsent:
                data, descriptors = self._unsent[0]
                sent = socket.send_fds(self.socket, [data], list(descriptors))
                self.backlog -= sent
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = data[sent:], ()
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
            self.backlog = 0

    def receive(self) -> list[Message]:
        """The messages that have come in; sets `closed` at the end of file. Raises BadLine."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, READ_BYTES, MAX_DESCRIPTORS)
        except BlockingIOError:
            return []
        except OSError:  # an end that is killed with mail unread resets the line
            data, descriptors = b"", []
        self.closed = not data
        self.descriptors += descriptors
        self._received += data
        if b"\n" not in data:
            if len(self._received) > MAX_LINE_BYTES:
                raise BadLine(f"a line of more than {MAX_LINE_BYTES:,} bytes")
            return []
        *lines, self._received = self._received.split(b"\n")
        return [_parse(line) for line in lines]

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _parse(line: bytearray) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"no JSON: {bytes(line[:60])!r}") from error
    if not isinstance(message, dict):
        raise BadLine(f"no object: {bytes(line[:60])!r}")
    return message


class Channel:
    """The child's end on its loop: tells the supervisor what happens here, from any thread, and hears what to do."""

    def __init__(self, descriptor: int) -> None:
        self._line = Line(socket.socket(fileno=descriptor))
        self._lock = threading.Lock()
        self._loop: Any = None

    @property
    def descriptors(self) -> list[int]:
        """What came with the messages, in their order."""
        return self._line.descriptors

    def tell(self, **event: Any) -> None:
        """Report an event; a supervisor that is gone hears nothing. Waits until it is sent where no loop can send the rest."""
        with self._lock:
            self._line.put(event)
            while self._loop is None and self._line.backlog:
                select.select([], [self._line.socket], [])
                self._line.flush()
            rest = self._line.backlog
        if rest:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and so has this process in a moment
                self._loop.call_soon_threadsafe(self._send_rest)

    def _send_rest(self) -> None:
        with self._lock:
            self._line.flush()
            rest = self._line.backlog
        if rest:
            self._loop.add_writer(self._line.socket, self._send_rest)
        else:
            self._loop.remove_writer(self._line.socket)

    def close(self) -> None:
        """Hang up."""
        if self._loop is not None:
            self._loop.remove_reader(self._line.socket)
            self._loop.remove_writer(self._line.socket)
        self._line.close()

    def listen(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        """Call back on the current loop, for every message and at the end of file."""
        import asyncio  # not at the top: the supervisor, which has its own selector, does without its 50 ms

        loop = self._loop = asyncio.get_running_loop()

        def read() -> None:
            for message in self._line.receive():
                on_message(message)
            if self._line.closed:
                loop.remove_reader(self._line.socket)
                on_end()

        loop.add_reader(self._line.socket, read)

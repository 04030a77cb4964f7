"""One connection of the bundled load generator: it sends one request at a time and knows when the answer is whole."""

from __future__ import annotations

import select
import socket

READ_BYTES = 256 * 1024


class Connection:
    """A socket that never blocks. `step` is called whenever epoll reports it."""

    __slots__ = ("_epoll", "_got", "_needed", "_out", "_sock", "_writing", "busy", "caller", "due", "ended", "fd")

    def __init__(self, port: int, epoll: select.epoll) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self._sock.fileno()
        self._epoll = epoll
        self._out: memoryview[int] | None = None
        self._got, self._needed, self._writing = b"", -1, True
        self.busy, self.ended, self.due = False, False, 0.0
        self.caller = 0  # whose it is, where anybody wants to know
        self._sock.connect_ex(("127.0.0.1", port))
        epoll.register(self.fd, select.EPOLLIN | select.EPOLLOUT)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request, or begin to; the answer counts from `due`."""
        self.busy, self.due, self._got, self._needed = True, due, b"", -1
        self._out = memoryview(request)
        self._write()

    def step(self) -> int | str | None:
        """Go on: the status once the answer is whole, a word once it has failed, None before."""
        if self._out is not None and not self._write():
            return self._failed("connect")
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return self._failed("reset")
        if not self.busy:  # the server closes what is idle
            self.ended = True
            return None
        self._got = self._got + data if self._got else data
        if not data:
            return self._at_end()
        return self._answer() if self._is_whole() else None

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _write(self) -> bool:
        """Send as much as the kernel takes; False where nobody is there."""
        assert self._out is not None
        try:
            sent = self._sock.send(self._out)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        self._out = self._out[sent:] if sent < len(self._out) else None
        self._watch(self._out is not None)
        return True

    def _watch(self, writing: bool) -> None:
        """A system call only where it changes something."""
        if writing != self._writing:
            self._writing = writing
            self._epoll.modify(self.fd, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def _is_whole(self) -> bool:
        if self._needed < 0:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._needed = self._length(self._got[:end].lower(), end + 4)
        if self._needed == 0:  # chunked
            return self._got.endswith(b"0\r\n\r\n")
        return len(self._got) >= self._needed > 0

    def _length(self, head: bytes, body_at: int) -> int:
        """Bytes of the whole answer; 0 where it is chunked, and more than ever come where it ends with the connection."""
        if b"\r\nconnection: close" in head:
            self.ended = True
        place = head.find(b"\r\ncontent-length:")
        if place >= 0:
            return body_at + int(head[place + 17 :].split(b"\r\n", 1)[0])
        if b"\r\ntransfer-encoding: chunked" in head:
            return 0
        self.ended = True
        return 1 << 62

    def _at_end(self) -> int | str:
        """The server has closed: that ends an answer without a length, and breaks every other one."""
        self.ended = True
        return self._answer() if self._needed == 1 << 62 else self._failed("closed")

    def _answer(self) -> int:
        self.busy = False
        return int(self._got[9:12])

    def _failed(self, word: str) -> str:
        self.busy, self.ended = False, True
        return word

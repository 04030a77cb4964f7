"""The sockets that the supervisor owns: the port that callers know, and one per model at which workers find its holder."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from dataclasses import dataclass

NAMED = "@"
"""Begins a place that is a name, not a folder."""


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises OSError; a port in use is refused, though address reuse is on for quick restarts."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, address = found[0]
    listener = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.set_inheritable(True)
    except OSError:
        listener.close()
        raise
    return listener


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where workers find the holders of one service: a name of the kernel's on Linux, a folder elsewhere.

    A name needs no place to write, has no limit that a long path breaks, and leaves nothing behind.
    """

    place: str

    @classmethod
    def arrange(cls) -> Meeting:
        """A new place. Raises OSError where a folder is needed and none can be made."""
        if sys.platform == "linux":
            return cls(f"{NAMED}modelport-{os.getpid()}-{os.urandom(8).hex()}")
        import tempfile

        return cls(tempfile.mkdtemp(prefix="modelport-"))

    def address(self, model_index: int) -> str:
        """Of the holder of a model, whichever process that is at the moment."""
        if self.place.startswith(NAMED):
            return f"\0{self.place[len(NAMED) :]}-{model_index}"
        return os.path.join(self.place, f"{model_index}.sock")

    def listen(self, model_index: int) -> socket.socket:
        """The listening end. Raises OSError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not self.place.startswith(NAMED):
            with contextlib.suppress(FileNotFoundError):  # of a model that was declared before, left, and came back
                os.unlink(self.address(model_index))
        try:
            listener.bind(self.address(model_index))
            listener.listen(1024)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        return listener

    def clear(self) -> None:
        """Nobody meets there any more."""
        if not self.place.startswith(NAMED):
            import shutil

            shutil.rmtree(self.place, ignore_errors=True)


def connect_unix(address: str) -> socket.socket:
    """The worker's end. Raises OSError; never waits: a full queue of the listener is an error, too."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.setblocking(False)
        end.connect(address)
    except OSError:
        end.close()
        raise
    return end


def is_stranger(end: socket.socket) -> bool:
    """Whether another user is at the other end: a name of the kernel's, unlike a file, is open to everybody."""
    if not hasattr(socket, "SO_PEERCRED"):
        return False
    peer = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", peer)[1] != os.geteuid())

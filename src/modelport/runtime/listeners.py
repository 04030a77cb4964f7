"""The sockets that the supervisor owns: the port that callers know, and one per model at which workers find its holder."""

from __future__ import annotations

import contextlib
import os
import socket


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


def unix_listener(folder: str, model_index: int) -> socket.socket:
    """The socket at which workers find the holder of a model, whichever process that is at the moment."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = os.path.join(folder, f"{model_index}.sock")
    with contextlib.suppress(FileNotFoundError):  # of a model that was declared before, left, and came back
        os.unlink(path)
    listener.bind(path)
    listener.listen(1024)
    listener.setblocking(False)
    return listener

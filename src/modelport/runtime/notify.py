"""Tells systemd, where it has asked to be told, that the service is ready: units of `Type=notify`."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify_ready() -> None:
    """To whom the environment names (see sd_notify(3)); nothing where it names nobody, or nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # a name of the kernel's, and no file
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(b"READY=1", address)

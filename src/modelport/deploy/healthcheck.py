"""`modelport healthcheck`: whether a service on this machine is ready, as an exit code. For containers without curl.

It is run every few seconds within the processor time of the service, so it imports next to nothing: no client, no TLS without need.
"""

from __future__ import annotations

import re
import socket
from time import monotonic
from urllib.parse import urlsplit

TIMEOUT_S = 2.5
MOST_BYTES = 4096
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def check_health(url: str) -> tuple[bool, str]:
    """Ask it; whether it is well, and what it said. The certificate is not checked: it is for another name than this address."""
    try:
        answer = _ask(url)
    except (OSError, ValueError) as error:
        return False, f"{url} does not answer: {error}"
    status = STATUS.match(answer)
    if status is None:
        return False, f"{url} does not answer in HTTP"
    said = answer.partition(b"\r\n\r\n")[2][:500].decode(errors="replace")
    return status[1] == b"200", f"{status[1].decode()} {said}"


def _ask(url: str) -> bytes:
    """The beginning of the answer, read until the other side has said all: HTTP/1.0 ends it so."""
    parts = urlsplit(url)
    tls, host = parts.scheme == "https", parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        raise ValueError("a URL begins with http:// or https://")
    until = monotonic() + TIMEOUT_S
    with _connected(host, parts.port or (443 if tls else 80), tls) as connection:
        connection.sendall(
            f"GET {parts.path or '/readyz'} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while len(answer) < MOST_BYTES:
            connection.settimeout(max(0.01, until - monotonic()))
            try:
                part = connection.recv(MOST_BYTES)
            except TimeoutError:
                if not answer:
                    raise
                break  # it has answered, and only keeps the line
            if not part:
                break
            answer += part
    return answer


def _connected(host: str, port: int, tls: bool) -> socket.socket:
    connection = socket.create_connection((host, port), TIMEOUT_S)
    if not tls:
        return connection
    import ssl

    return ssl._create_unverified_context().wrap_socket(connection, server_hostname=host)


def own_url(host: str, port: int, tls: bool, path: str) -> str:
    """Where a service with these options listens, seen from its own machine."""
    host = EVERYWHERE.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}{path}"

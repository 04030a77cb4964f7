"""`modelport healthcheck`: whether a service on this machine is ready, as an exit code. For containers without curl."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

TIMEOUT_S = 2.5
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def check_health(url: str) -> tuple[bool, str]:
    """Ask it; whether it is well, and what it said. The certificate is not checked: it is for another name than this address."""
    parts = urlsplit(url)
    try:
        connection = _connect(parts.scheme, parts.hostname or "", parts.port)
        connection.request("GET", parts.path or "/readyz")
        answer = connection.getresponse()
        said = answer.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"{url} does not answer: {error}"
    return answer.status == 200, f"{answer.status} {said}"


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        unchecked = ssl._create_unverified_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=unchecked)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


def own_url(host: str, port: int, tls: bool, path: str) -> str:
    """Where a service with these options listens, seen from its own machine."""
    host = EVERYWHERE.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}{path}"

"""The environment of a WSGI request (PEP 3333), from the scope of an ASGI one."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from modelport.mount.call import Scope

Environ = dict[str, Any]
BLOCK_BYTES = 64 * 1024
_OWN_NAMES = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


class FileWrapper:
    """`wsgi.file_wrapper`: a file as an iterable of blocks, which closes it."""

    def __init__(self, file: Any, block_size: int = BLOCK_BYTES) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        """Block by block, to the end."""
        while block := self.file.read(self.block_size):
            yield block


def make_environ(scope: Scope, body: io.BufferedIOBase) -> Environ:
    """What the application is called with."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    script_name, path_info = _paths(scope, raw_path)
    uri = (raw_path + (b"?" + query if query else b"")).decode("latin-1")
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": uri,  # where an encoded slash can still be told from one that parts
        "REQUEST_URI": uri,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_SOFTWARE": "modelport",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # it ends where the body does: chunked ones can be read, too
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        **_headers(scope["headers"]),
    }


def _paths(scope: Scope, raw_path: bytes) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO: decoded bytes, spelled as Latin-1 as the standard wants it."""
    root: bytes = scope.get("root_path", "").rstrip("/").encode()
    path = unquote_to_bytes(raw_path)
    below = path[len(root) :] if root and path.startswith(root) else path
    return root.decode("latin-1"), below.decode("latin-1")


def _headers(headers: list[tuple[bytes, bytes]]) -> Environ:
    """Header fields as variables.

    Names with an underscore are left out: `X_Forwarded_For` would become the same variable as `X-Forwarded-For`, which a proxy
    in front has set and vouches for. Fields that come twice are joined; cookies by a semicolon, as HTTP/2 clients part them.
    """
    environ: Environ = {}
    for name, value in headers:
        if b"_" in name:
            continue
        key = _OWN_NAMES.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    return environ

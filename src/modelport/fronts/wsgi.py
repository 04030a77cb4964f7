"""The application as a WSGI server sees it (PEP 3333): from its environment to a request, and from the answer to its iterable."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, unquote_to_bytes

from modelport.fronts.asgi import Message, Scope
from modelport.fronts.exchange import Headers
from modelport.fronts.status import simple_error
from modelport.fronts.threaded import NoAnswer, Read, ThreadedCall

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]
BLOCK_BYTES = 64 * 1024
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
"""The server's own affair: PEP 3333 forbids an application to set them."""
_OWN_NAMES = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_HOST = b"host"
_TWICE = frozenset({"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"})
"""The server has read the body, so its framing is not told; and these names have variables of their own."""


class LengthRequired(Exception):
    """A body in chunks, under a server that does not put them together."""


class Input(Protocol):
    """`wsgi.input`."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or fewer where there are no more."""


# -- the request -----------------------------------------------------------------------------------------------------


def scope_of(environ: Environ) -> Scope:
    """The request as ASGI tells it."""
    root = _decoded(environ.get("SCRIPT_NAME", ""))
    path = root + _decoded(environ.get("PATH_INFO", "")) or b"/"
    port = environ.get("SERVER_PORT", "")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
        "method": environ["REQUEST_METHOD"],
        "headers": _headers_of(environ),
        "scheme": environ["wsgi.url_scheme"],
        "path": path.decode("utf-8", "replace"),
        "raw_path": _raw_path(environ, path),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "server": (environ.get("SERVER_NAME", ""), int(port) if port.isdigit() else None),
        "client": _client(environ),
        "root_path": root.decode("utf-8", "replace"),
    }


def _decoded(text: str) -> bytes:
    """PEP 3333 spells bytes as Latin-1."""
    return text.encode("latin-1")


def _raw_path(environ: Environ, path: bytes) -> bytes:
    """As it was sent, where the server tells it and nobody has changed the path since; else as it could have been."""
    said = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    raw = said.partition("?")[0].encode("latin-1", "replace")
    return raw if unquote_to_bytes(raw) == path else quote(path).encode()


def _headers_of(environ: Environ) -> Headers:
    headers = [
        (name[5:].replace("_", "-").lower().encode("latin-1"), _decoded(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") and name not in _TWICE
    ]
    headers += [(own, _decoded(environ[name])) for name, own in _OWN_NAMES.items() if environ.get(name)]
    return headers if "HTTP_HOST" in environ else [*headers, (_HOST, _decoded(environ.get("SERVER_NAME", "localhost")))]


def _client(environ: Environ) -> tuple[str, int] | None:
    address, port = environ.get("REMOTE_ADDR", ""), str(environ.get("REMOTE_PORT", ""))
    return (address, int(port) if port.isdigit() else 0) if address else None


def reader_of(environ: Environ) -> Read:
    """Reads the body, part by part. Raises LengthRequired where the server cannot."""
    source: Input = environ["wsgi.input"]
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return _read_chunked(environ, source)
    said = environ.get("CONTENT_LENGTH") or "0"
    left = int(said) if said.isdigit() else 0

    def read() -> tuple[bytes, bool]:
        nonlocal left
        part = source.read(min(left, BLOCK_BYTES)) if left else b""
        if left and not part:
            raise ConnectionError("the body ended before it was whole")
        left -= len(part)
        return part, left > 0

    return read


def _read_chunked(environ: Environ, source: Input) -> Read:
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None and not environ.get("wsgi.input_terminated"):
        raise LengthRequired

    def read() -> tuple[bytes, bool]:
        part = source.read(BLOCK_BYTES) if uwsgi is None else uwsgi.chunked_read()
        return part, bool(part)

    return read


# -- the answer ------------------------------------------------------------------------------------------------------


def respond(call: ThreadedCall, method: str, start_response: StartResponse) -> Iterable[bytes]:
    """What the server is to send. A whole answer is a list of one; of what comes in parts, the server takes each as it can."""
    try:
        return _begin(call, method, start_response)
    except NoAnswer:
        body = simple_error(("server",), "Internal error", "internal_error")
        return answer(start_response, 500, body, exc_info=sys.exc_info())
    except BaseException:
        call.close()
        raise


def _begin(call: ThreadedCall, method: str, start_response: StartResponse) -> Iterable[bytes]:
    head = call.head()
    parts = call.parts()
    start_response(_status_line(head["status"]), _headers_for(head))
    if method == "HEAD":
        call.close()
        return []
    first, more = next(parts)
    if more:
        return Streamed(first, parts, call)
    return [first] if first else []


class Streamed:
    """An answer in parts. The server calls `close` when it has sent the last one, or when the client has left."""

    def __init__(self, first: bytes, parts: Iterator[tuple[bytes, bool]], call: ThreadedCall) -> None:
        self._first = first
        self._parts = parts
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        """Raises NoAnswer where the application fails: the server then cuts the answer off, so that the client can tell."""
        if self._first:
            yield self._first
        for part, _ in self._parts:
            if part:
                yield part

    def close(self) -> None:
        """Nobody reads any further."""
        self._call.close()


def answer(
    start_response: StartResponse,
    status: int,
    body: bytes,
    headers: Sequence[tuple[str, str]] = (),
    exc_info: Any = None,
) -> list[bytes]:
    """A whole answer of our own, in JSON."""
    own = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers]
    start_response(_status_line(status), own, *([exc_info] if exc_info else []))
    return [body]


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def _headers_for(head: Message) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in head.get("headers", ())
        if name.lower() not in HOP_BY_HOP
    ]


# -- what is refused -------------------------------------------------------------------------------------------------


def refuse_websocket(start_response: StartResponse) -> list[bytes]:
    """WSGI has no way to serve one."""
    hint = "serve it with  modelport serve,  or give modelport.app to an ASGI server"
    message = "WebSockets cannot be served by a WSGI server"
    return answer(start_response, 501, simple_error(("server",), message, "websocket_unsupported", hint))


def refuse_chunks(start_response: StartResponse) -> list[bytes]:
    """The server hands chunks over as they are, if at all."""
    message = "This server reads no bodies in chunks"
    return answer(start_response, 411, simple_error(("body",), message, "length_required", "send Content-Length"))


def refuse_unstarted(start_response: StartResponse, reason: str) -> list[bytes]:
    """The routes' lifespan has failed: the log has said why."""
    body = simple_error(("server",), reason, "not_ready")
    return answer(start_response, 503, body, [("Retry-After", "1")])

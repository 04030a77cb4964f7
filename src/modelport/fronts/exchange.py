"""One HTTP exchange with a model endpoint, free of who carries it: our own server's protocol or any ASGI server."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from os import urandom
from typing import Protocol

Header = tuple[bytes, bytes]
Headers = list[Header]

JSON_TYPE: Header = (b"content-type", b"application/json")

ANY_ANSWER = frozenset(
    {
        b"*/*",
        b"application/json",
        b"application/json, text/plain, */*",
        b"application/json, */*",
        b"application/json,*/*",
    }
)
"""Values of Accept that mean JSON; what programs send who do not mind is among them."""

_MAX_REQUEST_ID = 128
_prefix = urandom(6).hex().encode()
_counter = count(1)


def new_request_id() -> bytes:
    """Unique over all processes: random bytes drawn when this process started, and a counter."""
    return b"%b-%x" % (_prefix, next(_counter))


def echo_request_id(sent: bytes | None) -> bytes:
    """The caller's own id, where it is one that may stand in a header and a log line; else a new one."""
    if sent and len(sent) <= _MAX_REQUEST_ID and sent.isascii() and sent.decode("ascii").isprintable():
        return sent
    return new_request_id()


class Writer(Protocol):
    """Who writes an answer that comes in parts."""

    def resume(self) -> None:
        """More is taken again."""

    def leave(self) -> None:
        """The caller is gone."""

    def give_up(self) -> None:
        """The service has to end: say so, and finish."""


class Exchange(Protocol):
    """A request whose body has been read, waiting for its answer."""

    content_type: bytes | None
    content_encoding: bytes | None
    accept: bytes | None
    """What the answer may be, where that is said and is not just anything."""
    special: bool
    """Whether the body is compressed, or `accept` is said."""
    timeout: bytes | None
    request_id: bytes
    body: bytes
    arrived: float
    reserved: int
    """Bytes of its body that are counted while it is in no queue yet."""
    on_disconnect: Callable[[], None] | None
    chain: bytes
    """The models that a call came through, packed; empty for one from outside."""
    alone: bool
    """Whether no other connection is open on this worker, so that nobody can share its batch."""

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Send the whole answer. `headers` holds all but content-length, request-id and date."""

    def open(self, headers: Headers, writer: Writer) -> None:
        """Begin an answer that comes in parts, with status 200."""

    def write(self, part: bytes) -> bool:
        """A part of it. Whether more is taken at once; if not, the writer is told when it is."""

    def finish(self, last: bytes, status: int) -> None:
        """The last part, which may be empty. `status`: what the answer would have if it began now; 200 where all went well."""


class CopiedExchange:
    """What stands before another exchange begins with: all that came with the request, and nobody beside it in its batch."""

    def __init__(self, exchange: Exchange) -> None:
        self.content_type = exchange.content_type
        self.content_encoding = exchange.content_encoding
        self.accept = exchange.accept
        self.special = exchange.special
        self.timeout = exchange.timeout
        self.request_id = exchange.request_id
        self.body = exchange.body
        self.arrived = exchange.arrived
        self.chain = exchange.chain
        self.alone = False

"""An exchange whose JSON answer leaves in another media type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from modelport.codecs.answers import CannotWrite
from modelport.errors import NotAcceptable, Problem
from modelport.fronts.exchange import Exchange, Headers
from modelport.fronts.status import error_body

LARGE_ANSWER = 64 * 1024
"""Answers above this are translated in a thread."""

JSON_TYPES = (None, b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


def with_media(headers: Headers, media: bytes) -> Headers:
    """The same headers for a body of this media type."""
    return [(name, media if name == b"content-type" else value) for name, value in headers]


class TranslatedExchange:
    """Stands before the exchange that came, and hands on all but the answer."""

    def __init__(self, exchange: Exchange, write: Callable[[bytes], bytes], media: bytes) -> None:
        self._exchange = exchange
        self._write = write
        self._media = media
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

    @property
    def on_disconnect(self) -> Callable[[], None] | None:
        """Of the exchange that came."""
        return self._exchange.on_disconnect

    @on_disconnect.setter
    def on_disconnect(self, call: Callable[[], None] | None) -> None:
        self._exchange.on_disconnect = call

    @property
    def reserved(self) -> int:
        """Of the exchange that came."""
        return self._exchange.reserved

    @reserved.setter
    def reserved(self, size: int) -> None:
        self._exchange.reserved = size

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Errors stay JSON, and so does what its holder has written in another media type already."""
        if status != 200 or (b"content-type", b"application/json") not in headers:
            return self._exchange.respond(status, body, headers)
        if len(body) <= LARGE_ANSWER:
            return self._exchange.respond(*self._translate(body, headers))

        def go_on(done: asyncio.Future[tuple[int, bytes, Headers]]) -> None:
            self._exchange.respond(*done.result())

        asyncio.get_running_loop().run_in_executor(None, self._translate, body, headers).add_done_callback(go_on)
        return None

    def _translate(self, body: bytes, headers: Headers) -> tuple[int, bytes, Headers]:
        try:
            return 200, self._write(body), with_media(headers, self._media)
        except (CannotWrite, ValueError) as error:
            message = f"The answer cannot be written as {self._media.decode()}: {error}"
            problem = Problem(("header", "accept"), message, "not_acceptable", None, "accept application/json")
            return 406, error_body(NotAcceptable([problem])), headers

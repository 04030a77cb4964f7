"""An exchange whose JSON answer leaves in another media type."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from modelport.codecs.answers import CannotWrite
from modelport.errors import NotAcceptable, Problem
from modelport.fronts.exchange import CopiedExchange, Exchange, Headers, Writer
from modelport.fronts.readers import READERS, Reading
from modelport.fronts.status import error_body, simple_error

log = logging.getLogger("modelport.predict")
Send = Callable[[Exchange, int, bytes, Headers], None]

LARGE_ANSWER = 64 * 1024
"""Answers above this are translated in a thread."""

JSON_TYPES = (None, b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


def with_media(headers: Headers, media: bytes) -> Headers:
    """The same headers for a body of this media type."""
    return [(name, media if name == b"content-type" else value) for name, value in headers]


class TranslatedExchange(CopiedExchange):
    """Stands before the exchange that came, and hands on all but the answer."""

    def __init__(self, exchange: Exchange, write: Callable[[bytes], bytes], media: bytes) -> None:
        self._exchange = exchange
        self._write = write
        self._media = media
        super().__init__(exchange)

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

    def open(self, headers: Headers, writer: Writer) -> None:
        """As it is: what comes in parts is not translated."""
        self._exchange.open(headers, writer)

    def write(self, part: bytes) -> bool:
        """As it is."""
        return self._exchange.write(part)

    def finish(self, last: bytes, status: int) -> None:
        """As it is."""
        self._exchange.finish(last, status)

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """As it is: errors stay JSON, and what is to be translated goes through `translate`."""
        self._exchange.respond(status, body, headers)

    def translate(self, body: bytes, headers: Headers, send: Send) -> None:
        """Send a good answer, or why it has no such form, to the exchange that came.

        What its holder has written in another media type already stays as it is.
        """
        if (b"content-type", b"application/json") not in headers:
            return send(self._exchange, 200, body, headers)
        if len(body) <= LARGE_ANSWER:
            return send(self._exchange, *self._translate(body, headers))

        def go_on(done: asyncio.Future[tuple[int, bytes, Headers]]) -> None:
            send(self._exchange, *done.result())

        READERS.begin(Reading(partial(self._translate, body, headers), 0)).add_done_callback(go_on)
        return None

    def _translate(self, body: bytes, headers: Headers) -> tuple[int, bytes, Headers]:
        """Never raises: the caller waits for an answer."""
        try:
            return 200, self._write(body), with_media(headers, self._media)
        except (CannotWrite, ValueError) as error:
            message = f"The answer cannot be written as {self._media.decode()}: {error}"
            problem = Problem(("header", "accept"), message, "not_acceptable", None, "accept application/json")
            return 406, error_body(NotAcceptable([problem])), headers
        except Exception:
            log.exception(
                "translating an answer failed", extra={"request_id": self._exchange.request_id.decode("ascii")}
            )
            return 500, simple_error(("server",), "Internal error", "internal_error"), headers

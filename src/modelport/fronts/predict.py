"""The predict endpoint of one model: body in, answer out. Everything that can be decided at start-up is a closure here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from modelport.codecs.json import MEDIA_TYPE, Decoded, compile_decoder, count_non_finite, encode_failure
from modelport.errors import CallError, InvalidInput, NotReady, Overloaded, UnsupportedMedia
from modelport.fronts.exchange import JSON_TYPE, Exchange, Headers
from modelport.fronts.status import error_body, simple_error, status_of
from modelport.kernel.ports import Outcome
from modelport.kernel.values import Failure, Loc, Problem
from modelport.runtime.lifecycle import Slot, State

LARGE_BODY = 64 * 1024
"""Bodies above this are decoded in a thread: parsing one costs a millisecond and more."""

MAX_HEADER = 1000
log = logging.getLogger("modelport.predict")


class PredictRoute:
    """Serves `POST …/predict` for one slot."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.headers: Headers = [JSON_TYPE, (b"model-name", _header_value(slot.name))]
        self._decode: Callable[[bytes], Decoded] | None = None
        slot.on_change.append(self._on_change)

    def _on_change(self, slot: Slot) -> None:
        if slot.state is State.READY and slot.loaded is not None:
            self.headers = [*self.headers[:2], (b"model-version", slot.loaded.version.encode())]
            self._decode = compile_decoder(slot.loaded.model.signature)

    def serve(self, exchange: Exchange) -> None:
        """Answer one exchange, now or later; never raises for anything a caller sends."""
        decode = self._decode
        if decode is None:
            return self._refuse(exchange, self._not_ready())
        if exchange.content_type != MEDIA_TYPE or exchange.content_encoding is not None:
            fault = media_fault(exchange)
            if fault is not None:
                return self._refuse(exchange, fault)
        if len(exchange.body) > LARGE_BODY:
            return self._serve_large(exchange, decode)
        try:
            decoded = decode(exchange.body)
        except InvalidInput as error:
            return self._refuse(exchange, error)
        self._run(exchange, decoded)
        return None

    def _serve_large(self, exchange: Exchange, decode: Callable[[bytes], Decoded]) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, decode, exchange.body)

        def go_on(done: asyncio.Future[Decoded]) -> None:
            error = done.exception()
            if isinstance(error, CallError):
                self._refuse(exchange, error)
            elif error is not None:
                self._crash(exchange, error)
            else:
                self._run(exchange, done.result())

        future.add_done_callback(go_on)

    def _run(self, exchange: Exchange, decoded: Decoded) -> None:
        if not decoded.records:
            exchange.respond(200, b"[]", self.headers)
        elif not self.slot.submit(decoded.records, partial(self._answer, exchange, decoded)):
            self._refuse(exchange, Overloaded("The queue of this model is full; try again shortly"))

    def _answer(self, exchange: Exchange, decoded: Decoded, outcomes: list[Outcome]) -> None:
        if decoded.batch:
            return self._answer_list(exchange, decoded, outcomes)
        body = outcomes[0]
        if isinstance(body, Failure):
            return self._fail(exchange, body)
        headers = self.headers
        if decoded.outside or b"null" in body:
            headers = headers + _flags(decoded.outside, count_non_finite(body))
        exchange.respond(200, body, headers)
        return None

    def _answer_list(self, exchange: Exchange, decoded: Decoded, outcomes: list[Outcome]) -> None:
        failures = [o for o in outcomes if isinstance(o, Failure)]
        parts = [encode_failure(o) if isinstance(o, Failure) else o for o in outcomes]
        body = b"[" + b",".join(parts) + b"]"
        flags = _flags(decoded.outside, count_non_finite(body) if b"null" in body else 0)
        if failures:
            self._log(exchange, failures)
            flags.append((b"modelport-errors", b"%d" % len(failures)))
        exchange.respond(200, body, self.headers + flags)

    def _fail(self, exchange: Exchange, failure: Failure) -> None:
        self._log(exchange, [failure])
        hint = "the server's log names the cause under this request id"
        exchange.respond(
            500, simple_error(("model", self.slot.name), failure.message, failure.code, hint), self.headers
        )

    def _log(self, exchange: Exchange, failures: list[Failure]) -> None:
        log.error(
            "model %s failed on %d records, first: %s",
            self.slot.name,
            len(failures),
            failures[0].cause or failures[0].message,
            extra={"request_id": exchange.request_id.decode("ascii")},
        )

    def _crash(self, exchange: Exchange, error: BaseException) -> None:
        log.error("decoding failed", exc_info=error, extra={"request_id": exchange.request_id.decode("ascii")})
        exchange.respond(500, simple_error(("server",), "Internal error", "internal_error"), self.headers)

    def _refuse(self, exchange: Exchange, error: CallError) -> None:
        status = status_of(error)
        retry = [(b"retry-after", b"1")] if status == 503 else []
        exchange.respond(status, error_body(error), self.headers + retry)

    def _not_ready(self) -> NotReady:
        if self.slot.state is State.FAILED:
            return NotReady(f"Model {self.slot.name!r} failed to load; the server's log says why")
        return NotReady(f"Model {self.slot.name!r} is still {self.slot.state} ({self.slot.elapsed():.1f} s so far)")


def _header_value(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _flags(outside: list[Loc], non_finite: int) -> Headers:
    flags = []
    if outside:
        names = ", ".join(".".join(map(str, loc[1:])) for loc in outside[:MAX_HEADER])
        shown = names.encode("unicode_escape")  # a name may hold what would end the header
        flags.append((b"modelport-out-of-range", shown if len(shown) <= MAX_HEADER else shown[: MAX_HEADER - 1] + b"~"))
    if non_finite:
        flags.append((b"modelport-non-finite", b"%d" % non_finite))
    return flags


def media_fault(exchange: Exchange) -> UnsupportedMedia | None:
    """What is wrong with the headers that describe the body, if anything. No content type at all passes as JSON."""
    if exchange.content_encoding not in (None, b"identity"):
        return _unsupported(
            f"Content-Encoding {_text(exchange.content_encoding)} is not read", "send the body uncompressed"
        )
    kind, _, parameters = (exchange.content_type or MEDIA_TYPE).partition(b";")
    kind = kind.strip().lower()
    if kind != MEDIA_TYPE and not kind.endswith(b"+json"):
        form = b"form" in kind
        hint = "send JSON with the header  content-type: application/json"
        return _unsupported(
            "A form was sent where JSON is expected" if form else f"The media type {_text(kind)} is not read", hint
        )
    charset = parameters.strip().lower().partition(b"charset=")[2].strip(b'"; ')
    if charset and charset not in (b"utf-8", b"utf8", b"us-ascii"):
        return _unsupported(f"The charset {_text(charset)} is not read", "JSON is sent in UTF-8")
    return None


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")[:80]


def _unsupported(message: str, hint: str) -> UnsupportedMedia:
    return UnsupportedMedia([Problem(("header", "content-type"), message, "unsupported_media_type", None, hint)])

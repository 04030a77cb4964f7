"""The headers of a predict call: media type, deadline, and what an answer's headers flag."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from modelport.codecs.json import MEDIA_TYPE
from modelport.errors import InvalidInput, Loc, MalformedBody, Problem, UnsupportedMedia
from modelport.fronts.compression import READ, is_compressed
from modelport.fronts.exchange import Exchange, Headers

MAX_HEADER = 1000
MAX_TIMEOUT_SECONDS = 3600.0


def media_fault(exchange: Exchange) -> UnsupportedMedia | None:
    """What is wrong with the coding or the charset of the body, if anything. No content type at all passes as JSON."""
    coding = exchange.content_encoding
    if coding is not None and coding.strip().lower() != b"identity" and not is_compressed(coding):
        hint = f"send the body uncompressed; {READ} are read, too, one at a time"
        return _unsupported(f"Content-Encoding {_text(coding)} is not read", hint, "content-encoding")
    kind, _, parameters = (exchange.content_type or MEDIA_TYPE).partition(b";")
    kind = kind.strip().lower()
    if kind != MEDIA_TYPE and not kind.endswith(b"+json"):
        return None
    charset = parameters.strip().lower().partition(b"charset=")[2].strip(b'"; ')
    if charset and charset not in (b"utf-8", b"utf8", b"us-ascii"):
        return _unsupported(f"The charset {_text(charset)} is not read", "JSON is sent in UTF-8")
    return None


def unsupported_type(kind: bytes, reads: Sequence[bytes]) -> UnsupportedMedia:
    """A body is of none of the media types that are read."""
    kind = kind.partition(b";")[0].strip().lower()
    names = ", ".join(media.decode() for media in reads)
    form = b"form" in kind
    hint = f"send JSON with the header  content-type: application/json{f'; {names} are read' if len(reads) > 1 else ''}"
    return _unsupported(
        "A form was sent where JSON is expected" if form else f"The media type {_text(kind)} is not read", hint
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")[:80]


def _unsupported(message: str, hint: str, header: str = "content-type") -> UnsupportedMedia:
    return UnsupportedMedia([Problem(("header", header), message, "unsupported_media_type", None, hint)])


def read_deadline(sent: bytes) -> float | InvalidInput:
    """The moment (monotonic) until which the caller waits, from `Request-Timeout: 2` in seconds."""
    try:
        seconds = float(sent) if b"_" not in sent else -1.0  # Python would read 1_0 as 10
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        message = "Request-Timeout wants seconds, more than 0 and at most 3600"
        problem = Problem(
            ("header", "request-timeout"), message, "invalid_timeout", _text(sent), "send for example 2.5"
        )
        return MalformedBody([problem])
    return monotonic() + seconds


def flag_headers(outside: list[Loc], non_finite: int, failed: int) -> Headers:
    """What the caller should know beside the answer."""
    flags = []
    if outside:
        names = ", ".join(".".join(map(str, loc[1:])) for loc in outside[:MAX_HEADER])
        shown = names.encode("unicode_escape")  # a name may hold what would end the header
        flags.append((b"modelport-out-of-range", shown if len(shown) <= MAX_HEADER else shown[: MAX_HEADER - 1] + b"~"))
    if non_finite:
        flags.append((b"modelport-non-finite", b"%d" % non_finite))
    if failed:
        flags.append((b"modelport-errors", b"%d" % failed))
    return flags

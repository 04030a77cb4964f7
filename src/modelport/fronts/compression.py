"""Compressed request bodies: gzip and deflate, opened to no more than a limit however small they come."""

from __future__ import annotations

import zlib

from modelport.errors import BodyTooLarge, MalformedBody, Problem

READ = "gzip and deflate"
MAX_MEMBERS = 16
"""Parts that one gzip body may consist of. Each costs a copy of the rest, and honest ones have one."""

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_CODINGS = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": _ZLIB}


def is_compressed(coding: bytes | None) -> bool:
    """Whether a body with this Content-Encoding must be opened, and can be."""
    return coding is not None and coding.strip().lower() in _CODINGS


def decompress(body: bytes, coding: bytes, limit: int) -> bytes:
    """The body as it was before. Raises BodyTooLarge beyond `limit` bytes, MalformedBody where it is damaged."""
    window = _window(body, _CODINGS[coding.strip().lower()])
    parts: list[bytes] = []
    left = limit
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(window)
        try:
            parts.append(stream.decompress(body, left + 1))
        except zlib.error:
            raise _damaged("The body is damaged, or not compressed as Content-Encoding says") from None
        left -= len(parts[-1])
        if left < 0:
            raise BodyTooLarge([_too_large(limit)])
        if not stream.eof:
            raise _damaged("The compressed body ends too early")
        body = stream.unused_data
        if not body:
            return b"".join(parts)
        if window != _GZIP:
            break
    raise _damaged("The compressed body goes on after its end")


def _window(body: bytes, window: int) -> int:
    """Deflate is meant to have the head of zlib; some clients send it bare."""
    has_head = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _RAW if window == _ZLIB and not has_head else window


def _too_large(limit: int) -> Problem:
    message = f"The body is larger than {limit:,} bytes once it is decompressed"
    return Problem(("body",), message, "body_too_large", None, "send fewer records at once, or raise --max-body")


def _damaged(message: str) -> MalformedBody:
    hint = "compress the whole body once, or send it uncompressed without the header Content-Encoding"
    return MalformedBody([Problem(("body",), message, "invalid_compression", None, hint)])

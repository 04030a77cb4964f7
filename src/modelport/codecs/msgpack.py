"""MessagePack: the same values as JSON, so it is translated to JSON and back, and every rule of JSON holds for it."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from modelport.codecs.answers import count_none_numbers
from modelport.errors import MalformedBody, Problem


def msgpack_to_json(body: bytes) -> bytes:
    """A body as JSON. Raises MalformedBody."""
    try:
        value = msgspec.msgpack.decode(body)
        encoded = msgspec.json.encode(value, enc_hook=_refuse_extension)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        _refuse(f"The body is not valid MessagePack: {error}", "msgpack_invalid", "encode one value with MessagePack")
    if b"null" in encoded and count_none_numbers(value):
        hint = "send nil where the field allows it, or leave the record out"
        _refuse("The body holds NaN or infinity", "number_not_finite", hint)
    return encoded


def _refuse_extension(value: Any) -> NoReturn:
    raise TypeError("extension types are not read")


def json_to_msgpack(answer: bytes) -> bytes:
    """An answer that was JSON. Raises ValueError where a number is beyond 64 bits."""
    try:
        return msgspec.msgpack.encode(msgspec.json.decode(answer))
    except OverflowError:
        raise ValueError("it holds a whole number beyond 64 bits") from None


def _refuse(message: str, kind: str, hint: str) -> NoReturn:
    raise MalformedBody([Problem(("body",), message, kind, None, hint)])

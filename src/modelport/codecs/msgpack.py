"""MessagePack: the same values as JSON, so it is translated to JSON and back, and every rule of JSON holds for it."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from modelport.codecs.answers import count_none_floats
from modelport.codecs.extent import ARRAY_COST, MAP_COST, MOST_COST, is_vast_msgpack, read_pieces
from modelport.codecs.problems import invalid_body
from modelport.errors import MalformedBody, Problem


def msgpack_to_json(body: bytes) -> bytes:
    """A body as JSON. Raises MalformedBody, and BodyTooLarge for more values than may be read at once."""
    if is_vast_msgpack(body):
        message = f"The body holds more than {MOST_COST:,} values; a list counts as {ARRAY_COST}, a map as {MAP_COST}"
        raise invalid_body("body_too_large", message, "send fewer records at once, or send them as JSON")
    try:
        value = msgspec.msgpack.decode(body)
        encoded = msgspec.json.encode(value, enc_hook=_refuse_extension)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        _refuse(f"The body is not valid MessagePack: {error}", "msgpack_invalid", "encode one value with MessagePack")
    if b"null" in encoded and count_none_floats(value):
        hint = "send nil where the field allows it, or leave the record out"
        _refuse("The body holds NaN or infinity", "number_not_finite", hint)
    return encoded


def _refuse_extension(value: Any) -> NoReturn:
    raise TypeError("extension types are not read")


def json_to_msgpack(answer: bytes) -> bytes:
    """An answer that was JSON. Raises ValueError where a number is beyond 64 bits, CannotWrite where a value is too large."""
    pieces = read_pieces(answer)
    try:
        if answer[:1] != b"[":
            return msgspec.msgpack.encode(next(pieces))
        count, parts = 0, []
        for piece in pieces:
            count += len(piece)
            parts.append(msgspec.msgpack.encode(piece)[len(_list_head(len(piece))) :])
        return _list_head(count) + b"".join(parts)
    except OverflowError:
        raise ValueError("it holds a whole number beyond 64 bits") from None


def _list_head(count: int) -> bytes:
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2) if count < 65536 else b"\xdd" + count.to_bytes(4)


def _refuse(message: str, kind: str, hint: str) -> NoReturn:
    raise MalformedBody([Problem(("body",), message, kind, None, hint)])

"""How a stream of items looks on the wire: Server-Sent Events, JSON lines, the messages of a WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelport.codecs.media import JSON

SSE, NDJSON, JSONL = b"text/event-stream", b"application/x-ndjson", b"application/jsonl"
MESSAGES, COLLECTED, ITEMS = b"websocket", b"list", b"items"
"""No media types: how exchanges of our own making say what they want."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a stream. Items and the bodies of errors are JSON without line feeds.

    `end`: told how many items there were. `error`: of a stream that has begun, a status and the body that it would have had.
    `beat`: a sign of life that no reader takes for an item. `whole`: it is of use only as a whole, by its deadline.
    """

    media: bytes
    item: Callable[[bytes], bytes]
    end: Callable[[int], bytes]
    error: Callable[[int, bytes], bytes]
    beat: bytes
    whole: bool = False


def _problem(status: int, body: bytes) -> bytes:
    """The body of an error, and the status that there is no head for any more."""
    return b'{"status":%d,%b' % (status, body[1:])


def _line_error(status: int, body: bytes) -> bytes:
    return b'{"stream_error":%b}' % _problem(status, body)


EVENTS = Form(
    SSE,
    lambda item: b"data: %b\n\n" % item,
    lambda items: b'event: end\ndata: {"items":%d}\n\n' % items,
    lambda status, body: b"event: error\ndata: %b\n\n" % _problem(status, body),
    b": alive\n\n",
)
LINES = Form(
    NDJSON,
    lambda item: item + b"\n",
    lambda items: b"",
    lambda status, body: _line_error(status, body) + b"\n",
    b"",  # none: a line without an item is one that some readers cannot parse
)
FORMS = {
    SSE: EVENTS,
    NDJSON: LINES,
    JSONL: Form(JSONL, LINES.item, LINES.end, LINES.error, LINES.beat),
    JSON: LINES,
    MESSAGES: Form(MESSAGES, lambda item: item, lambda items: b"", _line_error, b""),
    COLLECTED: Form(JSON, lambda item: item, lambda items: b"", lambda status, body: body, b"", whole=True),
    ITEMS: Form(JSON, lambda item: item, lambda items: b"", lambda status, body: body, b""),
}

"""The frames between HTTP workers and holders: length-prefixed, little-endian, one fixed head per kind, then bytes.

frame   = u32 length of what follows · u8 kind · head · body
CALL    = u32 id · f64 deadline (CLOCK_MONOTONIC, which all processes of a machine share) · u32 rows · u8 flags
          · u8 length of the request id · u32 length of the chain · request id · chain (the models that the call came through)
          · u8 length of the media · media
CANCEL  = u32 id
ANSWER  = u32 id · u16 status · u32 failed rows · u32 non-finite values · u32 batch rows · f64 queued s · f64 run s
          · u8 length of the media · media
HELLO   = u32 process id of the holder
GOODBYE = nothing: send no more calls on this connection, answers to earlier ones follow
ITEM    = u32 id · one item of a stream; its ANSWER follows the last of them, with an empty body where all went well
CREDIT  = u32 id · u32 bytes of items that the reader has taken

The media of a call are the media type of its body and, behind a line feed, those that its answer may have, best first; of an
answer, its media type. Nothing means JSON. A media type that is longer than its byte can say is refused before it comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, NamedTuple

KINDS = range(1, 8)
CALL, CANCEL, ANSWER, HELLO, GOODBYE, ITEM, CREDIT = KINDS
SOLO = 1
"""Flag of a call: run it in a batch of its own."""

MAX_FRAME = 2**31
MAX_CREDIT = 2**32 - 1

LARGE_FRAME = 64 * 1024
"""Above this a body is sent beside its head, and its packets are put together once: to copy a megabyte takes as long as a
small call."""

MAX_MEDIA = 256
"""Bytes that a media type can take in a frame, with its length."""

_LENGTH = [bytes((n,)) for n in range(256)]
_PREFIX = Struct("<IB")
_CALL = Struct("<IBIdIBBI")
_CANCEL = Struct("<IBI")
_ANSWER = Struct("<IBIHIIIdd")
_CALL_HEAD = Struct("<IdIBBI")
_CANCEL_HEAD = Struct("<I")
_ANSWER_HEAD = Struct("<IHIIIdd")
_HELLO_HEAD = Struct("<I")
_ITEM = Struct("<IBI")
_CREDIT = Struct("<IBII")
_CREDIT_HEAD = Struct("<II")


class Parts:
    """A large body in the packets that it came in: who only passes it on need not put them together."""

    __slots__ = ("_size", "packets")

    def __init__(self, packets: Sequence[bytes | memoryview]) -> None:
        self.packets = packets
        self._size = sum(map(len, packets))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.packets)


Body = bytes | Parts


def packets_of(body: Body) -> Sequence[bytes | memoryview]:
    """What is to be written for a body, in order."""
    return body.packets if isinstance(body, Parts) else (body,)


class Call(NamedTuple):
    """One request for a holder. It sends `Parts`; it is always received as bytes."""

    id: int
    deadline: float
    rows: int
    flags: int
    body: Body
    request_id: bytes = b""
    media: bytes = b""
    chain: bytes = b""


class Answer(NamedTuple):
    """What came of a call: an HTTP status and its body, what to flag, and what the batch cost."""

    id: int
    status: int
    failed: int
    non_finite: int
    batch_rows: int
    queued_s: float
    run_s: float
    body: Body
    media: bytes = b""


class FrameError(Exception):
    """The peer sent what is no frame; the connection is beyond repair."""


def encode_call(call: Call) -> bytes:
    """A CALL frame."""
    return encode_call_head(call) + bytes(call.body)


def encode_call_head(call: Call) -> bytes:
    """All of a CALL frame that goes before its body."""
    request_id, chain, media = call.request_id, call.chain, call.media
    size = _CALL.size - 4 + len(request_id) + len(chain) + 1 + len(media) + len(call.body)
    head = _CALL.pack(size, CALL, call.id, call.deadline, call.rows, call.flags, len(request_id), len(chain))
    return b"".join((head, request_id, chain, _LENGTH[len(media)], media))


def encode_cancel(call_id: int) -> bytes:
    """A CANCEL frame."""
    return _CANCEL.pack(_CANCEL.size - 4, CANCEL, call_id)


def encode_answer(answer: Answer) -> bytes:
    """An ANSWER frame."""
    return encode_answer_head(answer) + bytes(answer.body)


def encode_answer_head(answer: Answer) -> bytes:
    """All of an ANSWER frame that goes before its body."""
    *head, body, media = answer
    size = _ANSWER.size - 4 + 1 + len(media) + len(body)
    return b"".join((_ANSWER.pack(size, ANSWER, *head), _LENGTH[len(media)], media))


def encode_item(call_id: int, item: bytes) -> bytes:
    """An ITEM frame."""
    return _ITEM.pack(_ITEM.size - 4 + len(item), ITEM, call_id) + item


def encode_credit(call_id: int, size: int) -> bytes:
    """A CREDIT frame."""
    return _CREDIT.pack(_CREDIT.size - 4, CREDIT, call_id, min(size, MAX_CREDIT))


def encode_hello(pid: int) -> bytes:
    """A HELLO frame."""
    return encode_plain(HELLO, _HELLO_HEAD.pack(pid))


def encode_plain(kind: int, body: bytes = b"") -> bytes:
    """A frame without a head: GOODBYE."""
    return _PREFIX.pack(1 + len(body), kind) + body


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came: its kind, and everything behind the kind.

    `tail`: what of a large body came in further packets; `data` holds its head then.
    """

    kind: int
    data: bytes
    tail: tuple[bytes, ...] = ()

    def call(self) -> Call:
        """Read as a CALL. Raises FrameError where the head is cut off."""
        call_id, deadline, rows, flags, length, chain_length = self._head(_CALL_HEAD)
        chain_at = _CALL_HEAD.size + length
        media_at = chain_at + chain_length
        if self.tail and len(self.data) < media_at + MAX_MEDIA:  # a chain of a length that no service has
            return Frame(self.kind, self._from(0)).call()
        media, body_at = self._media(media_at)
        request_id, chain = self.data[_CALL_HEAD.size : chain_at], self.data[chain_at:media_at]
        return Call(call_id, deadline, rows, flags, self._from(body_at), request_id, media, chain)

    def answer(self) -> Answer:
        """Read as an ANSWER, with its body in parts where it came so. Raises FrameError where the head is cut off."""
        head = self._head(_ANSWER_HEAD)
        media, body_at = self._media(_ANSWER_HEAD.size)
        body = Parts((memoryview(self.data)[body_at:], *self.tail)) if self.tail else self.data[body_at:]
        return Answer._make((*head, body, media))

    def cancelled(self) -> int:
        """Read as a CANCEL: the id. Raises FrameError where it is cut off."""
        return int(self._head(_CANCEL_HEAD)[0])

    def item(self) -> tuple[int, bytes]:
        """Read as an ITEM: the id of its call, and the item. Raises FrameError where it is cut off."""
        call_id = int(self._head(_CANCEL_HEAD)[0])
        return call_id, self._from(_CANCEL_HEAD.size)

    def credit(self) -> tuple[int, int]:
        """Read as a CREDIT: the id of its call, and the bytes. Raises FrameError where it is cut off."""
        call_id, size = self._head(_CREDIT_HEAD)
        return int(call_id), int(size)

    def pid(self) -> int:
        """Read as a HELLO: who says it. Raises FrameError where it is cut off."""
        return int(self._head(_HELLO_HEAD)[0])

    def _media(self, at: int) -> tuple[bytes, int]:
        """The media type that stands there, and where the body begins behind it."""
        data = self.data
        if len(data) <= at or len(data) < at + 1 + data[at]:
            raise FrameError(f"a frame of kind {self.kind} with {len(data)} bytes")
        body_at = at + 1 + data[at]
        return data[at + 1 : body_at], body_at

    def _from(self, at: int) -> bytes:
        """Everything from there on: the parts of a large body meet here, and nowhere before."""
        return b"".join((memoryview(self.data)[at:], *self.tail)) if self.tail else self.data[at:]

    def _head(self, form: Struct) -> tuple[Any, ...]:
        if len(self.data) < form.size:
            raise FrameError(f"a frame of kind {self.kind} with {len(self.data)} bytes")
        return form.unpack_from(self.data)


class FrameReader:
    """Cuts a byte stream into frames, whatever the packets were. Keeps parts, so that a large body is joined once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self._need = _PREFIX.size

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises FrameError on a length or a kind that no frame has."""
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            return []
        if len(self._parts) == 1:
            return self._cut(data)
        if self._need <= LARGE_FRAME:
            return self._cut(b"".join(self._parts))
        frame, rest = self._large(self._have - self._need)
        return [frame, *self._cut(rest)]

    def _cut(self, buffer: bytes) -> list[Frame]:
        """The frames that are whole in it; what is left is kept."""
        frames, at = list[Frame](), 0
        while len(buffer) - at >= (need := _frame_size(buffer, at)):
            frames.append(Frame(buffer[at + 4], buffer[at + _PREFIX.size : at + need]))
            at += need
        rest = buffer[at:]
        self._parts, self._have, self._need = [rest] if rest else [], len(rest), need
        return frames

    def _large(self, beyond: int) -> tuple[Frame, bytes]:
        """The large frame that the parts begin with, which stay apart, and what they hold beyond its end."""
        first, *tail = self._parts
        while len(first) <= LARGE_FRAME and tail:  # the head must be whole
            first += tail.pop(0)
        parts = [first, *tail]
        rest = b""
        if beyond:
            last = parts[-1]
            parts[-1], rest = last[:-beyond], last[-beyond:]
        first, *tail = parts
        return Frame(first[4], first[_PREFIX.size :], tuple(tail)), rest


def _frame_size(buffer: bytes, at: int) -> int:
    """How many bytes the frame has that begins there; where even its prefix is cut off, the size of the prefix."""
    if len(buffer) - at < _PREFIX.size:
        return _PREFIX.size
    length, kind = _PREFIX.unpack_from(buffer, at)
    if not 1 <= length <= MAX_FRAME or kind not in KINDS:
        raise FrameError(f"a frame of kind {kind} with {length} bytes")
    return 4 + int(length)

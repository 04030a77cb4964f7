"""Which media types the body of one model may have, and which its answer: decided when the model is ready.

Some are translated to JSON here and back, so that every rule of JSON holds for them; others are passed to the holder of a
model in Python as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from modelport.codecs.arrow import arrow_to_json, json_to_arrow
from modelport.codecs.media import ARROW, JSON, MSGPACK, NPY, is_installed, kind_of
from modelport.codecs.msgpack import json_to_msgpack, msgpack_to_json
from modelport.codecs.tensors import json_to_npy, npy_reader
from modelport.errors import NotAcceptable, Problem, UnsupportedMedia
from modelport.fronts.media import unsupported_type
from modelport.kernel.signature import Kind, Task
from modelport.runtime.lifecycle import Loaded

Translate = Callable[[bytes], bytes]
MAX_CONTENT_TYPE = 150
MAX_ACCEPT = 1000


class Plan(NamedTuple):
    """What is done with one call that is more than JSON in and JSON out.

    `open`: makes JSON of the body. `media`: what its holder is told, nothing where it need not know. `close`: makes the
    wanted media type of a JSON answer.
    """

    open: Translate | None = None
    media: bytes = b""
    close: Translate | None = None
    closed: bytes = b""


class Offers:
    """What one model reads and writes."""

    def __init__(self, loaded: Loaded) -> None:
        self.raw_reads = {media.encode() for media in loaded.reads}
        self.raw_writes = [media.encode() for media in loaded.writes]
        self.opens = _opens(loaded)
        self.closes = _closes(loaded)
        self._known = lru_cache(256)(self._plan)

    def find(self, content_type: bytes | None, accept: bytes | None) -> Plan | UnsupportedMedia | NotAcceptable:
        """What is done with a call that has these headers. The same few come again and again."""
        return self._known(content_type and content_type[: MAX_CONTENT_TYPE + 1], accept and accept[:MAX_ACCEPT])

    @property
    def reads(self) -> list[bytes]:
        """Media types of bodies, JSON first."""
        return [JSON, *sorted(self.raw_reads | self.opens.keys())]

    @property
    def writes(self) -> list[bytes]:
        """Media types of answers, JSON first."""
        return [JSON, *dict.fromkeys([*self.closes, *self.raw_writes])]

    def _plan(self, content_type: bytes | None, accept: bytes | None) -> Plan | UnsupportedMedia | NotAcceptable:
        kind = kind_of(content_type or JSON)
        opened = None if kind in self.raw_reads else self.opens.get(kind)
        is_json = kind == JSON or kind.endswith(b"+json")
        if not is_json and kind not in self.raw_reads and opened is None:
            return unsupported_type(content_type or b"", self.reads)
        if len(content_type or b"") > MAX_CONTENT_TYPE:
            return unsupported_type((content_type or b"")[:80], self.reads)
        wanted = [JSON] if accept is None else rank(accept, self.writes)
        if not wanted:
            return _not_acceptable(accept or b"", self.writes)
        return self._join(content_type if kind in self.raw_reads else b"", opened, wanted)

    def _join(self, content_type: bytes | None, opened: Translate | None, wanted: list[bytes]) -> Plan:
        """Of the wanted media types, the holder writes the first it can; JSON ends the search, and becomes what it must."""
        ways: list[bytes] = []
        close = None
        closed = b""
        for media in wanted:
            if media in self.raw_writes:
                ways.append(media)
                continue
            ways.append(JSON)
            close, closed = self.closes.get(media), media
            break
        said = b"" if ways == [JSON] else b",".join(ways)
        media = (content_type or b"") + (b"\n" + said if said else b"")
        return Plan(opened, media, close, closed if close else b"")


def _opens(loaded: Loaded) -> dict[bytes, Translate]:
    opens: dict[bytes, Translate] = {MSGPACK: msgpack_to_json}
    if is_installed("pyarrow") and _is_tabular(loaded):
        opens[ARROW] = arrow_to_json
    signature = loaded.signature
    if signature is not None and len(signature.inputs) == 1 and signature.inputs[0].kind is Kind.TENSOR:
        opens[NPY] = npy_reader(signature.inputs[0])
    return opens


def _closes(loaded: Loaded) -> dict[bytes, Translate]:
    closes: dict[bytes, Translate] = {MSGPACK: json_to_msgpack}
    signature = loaded.signature
    if signature is None:
        return closes
    if is_installed("pyarrow") and signature.task is not Task.TENSOR:
        closes[ARROW] = json_to_arrow
    if signature.task is Task.TENSOR and len(signature.outputs) == 1:
        output = signature.outputs[0]
        closes[NPY] = lambda answer: json_to_npy(answer, output.name, output.dtype)
    return closes


def _is_tabular(loaded: Loaded) -> bool:
    """Whether its bodies are records, so that rows of a table are bodies."""
    if loaded.signature is not None:
        return all(f.kind is not Kind.TENSOR for f in loaded.signature.inputs)
    return (loaded.body_schema or {}).get("type") == "object"


# -- Accept --------------------------------------------------------------------------------------------------------


def rank(accept: bytes, offers: list[bytes]) -> list[bytes]:
    """The offers that a header Accept takes, best first: by weight, then by how plainly it names them, then as offered."""
    ranges = [_read_range(item) for item in accept.lower().split(b",") if item.strip()]
    found = []
    for place, offer in enumerate(offers):
        matching = [(plain, weight) for name, weight in ranges if (plain := _match(name, offer))]
        plain, weight = max(matching, default=(0, 0.0))
        if weight > 0:
            found.append((-weight, -plain, place, offer))
    return [offer for *_, offer in sorted(found)]


def _read_range(item: bytes) -> tuple[bytes, float]:
    name, *parameters = (part.strip() for part in item.split(b";"))
    weight = next((p[2:] for p in parameters if p[:2] == b"q="), b"1")
    try:
        number = float(weight)
    except ValueError:
        number = 0.0
    return kind_of(name), number if 0 <= number <= 1 else 0.0


def _match(name: bytes, offer: bytes) -> int:
    """How plainly: 3 by name, 2 by its first half, 1 as anything, 0 not at all."""
    if name == offer:
        return 3
    if name == b"*/*":
        return 1
    return 2 if name.endswith(b"/*") and offer.startswith(name[:-1]) else 0


def _not_acceptable(accept: bytes, offers: list[bytes]) -> NotAcceptable:
    names = ", ".join(offer.decode() for offer in offers)
    message = f"No answer is written as {accept.decode('latin-1')[:80]}"
    hint = f"answers are written as {names}"
    return NotAcceptable([Problem(("header", "accept"), message, "not_acceptable", None, hint)])

"""Which forms a model that answers item by item offers, and which of them a caller wants."""

from __future__ import annotations

from functools import lru_cache

from modelport.codecs.media import JSON
from modelport.codecs.stream_forms import COLLECTED, FORMS, ITEMS, JSONL, LINES, NDJSON, SSE, Form
from modelport.errors import NotAcceptable, UnsupportedMedia
from modelport.fronts.negotiation import MAX_ACCEPT, Offers, Plan, rank
from modelport.runtime.lifecycle import Loaded


class StreamOffers(Offers):
    """What a model that answers item by item reads and writes."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.raw_writes, self.closes = [], {}

    @property
    def writes(self) -> list[bytes]:
        """Media types of answers. Who asks for JSON gets its lines: one value is what no stream can be."""
        return [NDJSON, SSE, JSONL, JSON]

    def _plan(self, content_type: bytes | None, accept: bytes | None) -> Plan | UnsupportedMedia | NotAcceptable:
        return super()._plan(
            content_type, None if accept in (COLLECTED, ITEMS) else accept
        )  # these are of our own code


@lru_cache(256)
def _ranked(accept: bytes) -> Form:
    found = rank(accept, [NDJSON, SSE, JSONL, JSON])
    return FORMS[found[0]] if found else LINES


def form_of(accept: bytes | None) -> Form:
    """The form that a caller wants who was not refused; lines where nothing is said."""
    if accept is None:
        return LINES
    return FORMS.get(accept) or _ranked(accept[:MAX_ACCEPT])

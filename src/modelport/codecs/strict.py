"""JSON read strictly, but as JSON has it: 2.0 is the whole number 2, as it is for JSON Schema and for saved models.

Pydantic's strict mode refuses it. So a body that it refuses is read a second time, with such numbers written as whole ones; a good
one is read once.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

MOST_MENDED = 5000
"""Beyond these a body is refused as it is."""


def read_strictly(adapter: TypeAdapter[Any], body: bytes) -> Any:
    """The value. Raises ValidationError."""
    try:
        return adapter.validate_json(body, strict=True)
    except ValidationError as error:
        mended = _with_whole_numbers(body, error)
        if mended is None:
            raise
        return adapter.validate_json(mended, strict=True)


def _with_whole_numbers(body: bytes, error: ValidationError) -> bytes | None:
    """The same body, with whole numbers where they were wanted and came with a point; None where that was not what is wrong."""
    if error.error_count() > MOST_MENDED:
        return None
    found = [e["loc"] for e in error.errors(include_url=False) if e["type"] == "int_type" and _is_whole(e["input"])]
    if not found:
        return None
    whole = {"": json.loads(body)}
    mended = [_mend(whole, ("", *loc)) for loc in found]
    return json.dumps(whole[""]).encode() if any(mended) else None


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _mend(value: Any, loc: tuple[str | int, ...]) -> bool:
    """Make the number at that place a whole one. The last steps may name members of a union, which are no places."""
    holder, key = None, loc[0]
    for step in loc:
        try:
            inner = value[step]
        except (LookupError, TypeError):
            break
        holder, key, value = value, step, inner
    if holder is None or not _is_whole(value):
        return False
    holder[key] = int(value)
    return True

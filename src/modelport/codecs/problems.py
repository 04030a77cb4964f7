"""How a reader of bodies refuses a value: in words for its caller, while Pydantic adds the place."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from modelport.errors import BodyTooLarge, ConfigError, InvalidInput, Loc, Problem, UnsupportedMedia

RUNS_NO_CODE = "modelport_runs_no_code"
"""Marks a part of a Pydantic schema whose validator is ours, and quick enough for the loop."""

CLASSES: dict[str, type[InvalidInput]] = {
    "body_too_large": BodyTooLarge,
    "image_too_large": BodyTooLarge,
    "image_format": UnsupportedMedia,
    "unsupported_media_type": UnsupportedMedia,
}
"""Refusals that are more than a value that does not fit. All others are InvalidInput."""


def refuse(kind: str, message: str, hint: str) -> NoReturn:
    """Refuse a value; `kind` is the stable name of the problem."""
    from pydantic_core import PydanticCustomError

    text = message[:1].upper() + message[1:]
    raise PydanticCustomError(kind, "{text}", {"text": text, "hint": hint})


def invalid(problems: list[Problem]) -> InvalidInput:
    """The error of these problems, of the class that their first one calls for."""
    return CLASSES.get(problems[0].type, InvalidInput)(problems)


def invalid_body(kind: str, message: str, hint: str, loc: Loc = ("body",), sent: Any = None) -> InvalidInput:
    """The same for one problem of a body that no Pydantic has seen."""
    return invalid([Problem(loc, message, kind, sent, hint)])


def declared_wrong(message: str) -> NoReturn:
    """Refuse an annotation, with the file and the line that it stands in."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename[:1] == "<" or "/modelport/codecs/" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    raise ConfigError(f"{frame.f_code.co_filename}:{frame.f_lineno}: {message}")

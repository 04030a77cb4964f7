"""What children may say to the supervisor. A model's code runs in some of them: nothing else is believed.

One table says it all: by the role of the child the kinds of its events, and the type of each value that belongs to one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelport.runtime.channel import BadLine, Message

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _anything(value: Any) -> bool:
    return True


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _names(value: Any) -> bool:
    """Of models: each once."""
    return _texts(value) and len(value) == len(set(value))


WEB: dict[str, Check] = {"routes": _count, "mounts": _texts, "guards": _texts, "moved": _texts}
"""What the banner shows of routes and mounted applications."""


def _web(value: Any) -> bool:
    return value is None or (_object(value) and _fits(value, WEB))


SOURCE: dict[str, Check] = {"target": _text, "options": _object, "folder": _text}
"""Where a saved model is, and how it is to be loaded."""


def _sources(value: Any) -> bool:
    return _object(value) and all(_object(source) and _fits(source, SOURCE) for source in value.values())


MODEL: dict[str, Check] = {
    "name": _text,
    "from": _text,
    "seconds": _seconds,
    "version": _text,
    "placement": _text,
    "reason": _text,
    "notes": _texts,
    "threads": _count,
    "form": _object,
}
"""What the banner shows of every model; of its signature more, which the front describes."""


def _models(value: Any) -> bool:
    return isinstance(value, list) and all(_object(model) and _fits(model, MODEL) for model in value)


def _fits(value: Mapping[str, Any], wanted: Mapping[str, Check]) -> bool:
    return all(name in value and check(value[name]) for name, check in wanted.items())


def _all_texts(value: Any) -> bool:
    return _object(value) and all(map(_text, value.values()))


FORM = {
    "form": _text,
    "executor": _text,
    "reason": _text,
    "why": _text,
    "folder?": _text,
    "signed?": _text,
    "version": _text,
    "native?": _all_texts,
    "late?": _texts,
}
LOADED = {
    "version": _text,
    "threads": _count,
    "notes?": _texts,
    "form?": _object,
    "signature?": _text,
    "schemas?": _object,
    "example?": _anything,
    "parallel?": _count,
    "max_rows?": _count,
    "list_depth?": _count,
    "reads?": _texts,
    "writes?": _texts,
    "streams?": _switch,
}


def _stamps(value: Any) -> bool:
    return _object(value) and all(isinstance(stamp, list) and all(map(_whole, stamp)) for stamp in value.values())


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _all_names(value: Any) -> bool:
    return _object(value) and all(map(_texts, value.values()))


FAILED = {"error": _text}
READ = {"footprints?": _all_texts, "calls?": _all_names, "whole?": _text, "files?": _stamps}
"""What was read of the code, while developing."""
EVENTS: Mapping[str, Mapping[str, Mapping[str, Check]]] = {
    "worker": {
        "ready": {"models": _models, "web?": _web},
        "failed": FAILED,
        "form": {"model": _text, **FORM},
        "left": {},
    },
    "compiler": {"begun": {}, "proving": {"what": _text}, "compiled": FORM, "failed": FAILED},
    "holder": {
        "ready": {**LOADED, "files?": _stamps},
        "failed": {**FAILED, "files?": _stamps},
        "catalog": {"models": _names, "saved": _sources, "web": _switch, "isolated?": _names, **READ},
    },
}
"""A value whose name ends in `?` may be missing."""


def take_kind(role: str, event: Message) -> str:
    """The kind of an event, taken out of it. Raises BadLine for what a child of this role does not say."""
    kind = event.pop("event", None)
    values = EVENTS[role].get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or values is None:
        raise BadLine(f"{kind!r:.60} with {', '.join(event)[:200] or 'nothing'}")
    known = {name.removesuffix("?") for name in values}
    if stranger := next((name for name in event if name not in known), None):
        raise BadLine(f"{kind!r} with {stranger!r:.60}, which does not belong to it")
    for name, check in values.items():
        plain = name.removesuffix("?")
        if plain not in event and name == plain:
            raise BadLine(f"{kind!r} without {plain!r}")
        if plain in event and not check(event[plain]):
            raise BadLine(f"{kind!r} with {plain!r} of a wrong kind: {event[plain]!r:.60}")
    return kind

"""Boosters in pickles: which version of their library wrote them, and those of XGBoost before 1.3 in a form that is still read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from modelport.artifacts.xgboost_binary import binary_version, is_binary, to_json

_CONFIGURED = b"CONFIG-offset:"
"""What 1.0 to 1.2 put before the model: this, its size in 64 bits, the model, and the training's configuration."""

_IN_JSON = re.compile(rb'"version":\[(\d{1,4}),(\d{1,4}),(\d{1,4})\]')
_IN_UBJSON = re.compile(rb"version\[#L\0{7}\x03i([\0-\x7f])i([\0-\x7f])i([\0-\x7f])", re.DOTALL)
_LIGHTGBM = re.compile(r"\s*tree\s+version=(v\d)\s")
_HEAD_BYTES = 200
_CATBOOST = re.compile(rb"Branch: tags/v(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)\s")
"""Builds of a tag name it. Others name a branch, which is no version."""


def readable_booster(thing: Any, state: Any) -> Any:
    """The state of a booster with its model in today's form; any other state as it is. Raises Unreadable."""
    handle = state.get("handle") if isinstance(state, dict) else None
    if type(thing).__name__ != "Booster" or not isinstance(handle, (bytes, bytearray)):
        return state
    data = _model_in(bytes(handle))
    if not is_binary(data[:4096]):
        return state
    renewed = type(thing)(model_file=bytearray(to_json(data)))
    return {**state, "handle": renewed.__getstate__()["handle"]}


def _model_in(handle: bytes) -> bytes:
    if not handle.startswith(_CONFIGURED):
        return handle
    start = len(_CONFIGURED) + 8
    return handle[start : start + int.from_bytes(handle[len(_CONFIGURED) : start], "little")]


# -- which version -----------------------------------------------------------------------------------------------------


def booster_versions(objects: Iterable[Any]) -> dict[str, str]:
    """What the boosters among the objects of an outline say of the library that wrote them, by the name it is installed by.

    Nothing is said of a library where two of its boosters say different things.
    """
    return {library: min(told) for library, told in told_versions(objects).items() if len(told) == 1}


def told_versions(objects: Iterable[Any]) -> dict[str, set[str]]:
    """The same, with everything that they say."""
    found: dict[str, set[str]] = {}
    for thing in objects:
        library = thing.name.partition(".")[0]
        tell = _TELL.get(library)
        if tell is not None and thing.made:
            found.setdefault(library, set()).update(filter(None, [tell(thing.attributes)]))
    return found


def version_in(library: str, data: bytes) -> str:
    """The same of a file that the library itself has written: of LightGBM the format of its trees. Empty where it says nothing."""
    handle = data[:_HEAD_BYTES].decode("latin-1") if library == "lightgbm" else data
    return _TELL[library]({"handle": handle, "__model": data})


def wrote(library: str, told: str, installed: str) -> bool:
    """Whether the installed release is the one that wrote a booster, as far as `told` says: of LightGBM, one with its format."""
    numbers = _numbers(installed)
    if library == "lightgbm":
        return told == next((name for since, name in _FORMATS if numbers >= since), "")
    if told.endswith(".*"):
        return _numbers(told)[:2] == numbers[:2]
    return _numbers(told) == numbers


_FORMATS = (((4, 0, 0), "v4"), ((2, 2, 4), "v3"), ((2, 0, 0), "v2"))
"""Of LightGBM's trees, newest first, and the first release that writes each."""


def earlier_than(told: str) -> str:
    """Which releases of LightGBM write trees of a format, as pip is told."""
    later = [since for since, name in _FORMATS if name > told]
    return f"lightgbm<{'.'.join(map(str, later[-1]))}" if later else "lightgbm"


def _numbers(version: str) -> tuple[int, int, int]:
    found = [int(number) for number in re.findall(r"\d+", version)[:3]]
    first, second, third = (*found, 0, 0, 0)[:3]
    return first, second, third


def _tell_xgboost(state: dict[str, Any]) -> str:
    data = _model_in(_bytes_in(state.get("handle")))
    if is_binary(data[:4096]):
        return binary_version(data)
    match = _IN_JSON.search(data)
    if match is not None:
        return ".".join(str(int(number)) for number in match.groups())
    match = _IN_UBJSON.search(data)
    return "" if match is None else ".".join(str(ord(number)) for number in match.groups())


def _tell_lightgbm(state: dict[str, Any]) -> str:
    """The format of its trees: the library itself does not say more."""
    text = state.get("_handle", state.get("handle"))
    match = _LIGHTGBM.match(text) if isinstance(text, str) else None
    return "" if match is None else match[1]


def _tell_catboost(state: dict[str, Any]) -> str:
    match = _CATBOOST.search(_bytes_in(state.get("__model")))
    return "" if match is None else match[1].decode("ascii")


_TELL = {"xgboost": _tell_xgboost, "lightgbm": _tell_lightgbm, "catboost": _tell_catboost}


def _bytes_in(thing: Any) -> bytes:
    """Of bytes, or of a stand-in for what makes them: protocols before 3 write bytes as text."""
    for _ in range(3):
        if isinstance(thing, (bytes, bytearray)):
            return bytes(thing)
        if isinstance(thing, str):
            return thing.encode("latin-1", "replace")
        arguments = getattr(thing, "arguments", ())
        thing = arguments[0] if arguments else b""
    return b""

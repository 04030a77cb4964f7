"""Boosters of XGBoost in pickles: what versions before 1.3 put there is no longer read, and is said again in a form that is."""

from __future__ import annotations

from typing import Any

from modelport.artifacts.xgboost_binary import is_binary, to_json

_CONFIGURED = b"CONFIG-offset:"
"""What 1.0 to 1.2 put before the model: this, its size in 64 bits, the model, and the training's configuration."""


def readable_booster(thing: Any, state: Any) -> Any:
    """The state of a booster with its model in today's form; any other state as it is. Raises Unreadable."""
    handle = state.get("handle") if isinstance(state, dict) else None
    if type(thing).__name__ != "Booster" or not isinstance(handle, (bytes, bytearray)):
        return state
    data = bytes(handle)
    if data.startswith(_CONFIGURED):
        start = len(_CONFIGURED) + 8
        data = data[start : start + int.from_bytes(data[len(_CONFIGURED) : start], "little")]
    if not is_binary(data[:4096]):
        return state
    renewed = type(thing)(model_file=bytearray(to_json(data)))
    return {**state, "handle": renewed.__getstate__()["handle"]}

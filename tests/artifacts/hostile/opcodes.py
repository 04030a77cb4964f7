"""Pickles by hand: what no pickler would write."""

from __future__ import annotations

import pickle
from typing import Any

STOP = pickle.STOP


def plain(value: Any) -> bytes:
    """The opcodes that put plain data on the stack, without a memo."""
    if isinstance(value, Raw):
        return value.code
    if isinstance(value, tuple):
        return pickle.MARK + b"".join(map(plain, value)) + pickle.TUPLE
    if isinstance(value, list):
        return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(plain, value)) + pickle.APPENDS
    if isinstance(value, dict):
        items = b"".join(plain(key) + plain(item) for key, item in value.items())
        return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
    if isinstance(value, str):
        data = value.encode()
        return pickle.BINUNICODE + len(data).to_bytes(4, "little") + data
    if isinstance(value, bytes):
        return pickle.BINBYTES + len(value).to_bytes(4, "little") + value
    return pickle.dumps(value, 3)[2:-1]


class Raw:
    """Opcodes that stand where data is expected."""

    def __init__(self, code: bytes) -> None:
        self.code = code


def named(module: str, name: str) -> Raw:
    """A global, in the old way."""
    return Raw(pickle.GLOBAL + f"{module}\n{name}\n".encode())


def stacked(module: str, name: str) -> Raw:
    """A global, in the new way."""
    return Raw(plain(module) + plain(name) + pickle.STACK_GLOBAL)


def call(function: Raw, *arguments: Any) -> Raw:
    """A call with REDUCE."""
    return Raw(function.code + plain(arguments) + pickle.REDUCE)


def new(cls: Raw, state: Any = None) -> Raw:
    """An instance without its constructor, and its state."""
    made = cls.code + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    return Raw(made if state is None else made + plain(state) + pickle.BUILD)


def built(thing: Raw, state: Any) -> Raw:
    """A state for something that is there already."""
    return Raw(thing.code + plain(state) + pickle.BUILD)


def whole(thing: Any, protocol: int = 4) -> bytes:
    """A complete pickle."""
    return pickle.PROTO + bytes([protocol]) + plain(thing) + STOP

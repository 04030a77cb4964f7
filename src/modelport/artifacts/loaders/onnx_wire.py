"""An ONNX file as nodes and initializers, read without the `onnx` package (30 MB and a protobuf runtime for a few lists).

ONNX Runtime does not show them. The file is protocol buffers (https://protobuf.dev/programming-guides/encoding/); the numbers
of the fields below are those of onnx.proto. Attributes are decoded when they are asked for: a forest's are millions.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PRODUCER, _PRODUCER_VERSION, _GRAPH = 2, 3, 7
_NODE, _INITIALIZER = 1, 5
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_NAME, _I, _S, _FLOATS, _INTS, _STRINGS = 1, 3, 4, 7, 8, 9
_STRING_DATA, _INT64_DATA, _TENSOR_NAME, _RAW_DATA = 6, 7, 8, 9

Value = int | memoryview


class Node:
    """One node: its operator, the names of its inputs and outputs, and its attributes."""

    def __init__(self, data: memoryview) -> None:
        self.op = _text(data, _OP_TYPE)
        self.inputs = [_decode(v) for v in _submessages(data, _INPUT)]
        self.outputs = [_decode(v) for v in _submessages(data, _OUTPUT)]
        self._attributes = {_text(a, _NAME): a for a in _submessages(data, _ATTRIBUTE)}

    def attribute(self, name: str) -> Any:
        """A list of floats, integers or texts; one integer or text; None where there is no such attribute."""
        data = self._attributes.get(name)
        if data is None:
            return None
        lists = _floats(data) or _ints(data, _INTS) or [_decode(v) for v in _submessages(data, _STRINGS)]
        numbers = [v for number, v in fields_of(data) if number == _I and isinstance(v, int)]
        return lists or (numbers[0] if numbers else _text(data, _S) or None)

    def attribute_bytes(self, name: str) -> int:
        """How large an attribute is in the file."""
        return len(self._attributes.get(name, b""))


@dataclass(frozen=True, slots=True)
class Graph:
    """The main graph of an open file."""

    nodes: list[Node]
    _model: memoryview

    def initializer(self, name: str) -> tuple[Any, ...]:
        """The texts or 64-bit integers of a constant tensor; empty where there is none of that name."""
        tensors = _inside(self._model, _GRAPH, _INITIALIZER)
        return next((_tensor_values(t) for t in tensors if _text(t, _TENSOR_NAME) == name), ())


@contextmanager
def open_graph(path: Path) -> Iterator[Graph]:
    """The graph of a file, for as long as the context lasts. Raises ValueError where the file is no such thing."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    model = memoryview(data)
    try:
        yield Graph([Node(node) for node in _inside(model, _GRAPH, _NODE)], model)
    except (IndexError, struct.error) as error:
        raise ValueError("not an ONNX file") from error


# -- messages ------------------------------------------------------------------------------------------------------


def _tensor_values(data: memoryview) -> tuple[Any, ...]:
    strings = [_decode(v) for v in _submessages(data, _STRING_DATA)]
    raw = b"".join(bytes(v) for v in _submessages(data, _RAW_DATA))
    return tuple(strings or _ints(data, _INT64_DATA) or struct.unpack(f"<{len(raw) // 8}q", raw))


def _text(data: memoryview, number: int) -> str:
    return "".join(_decode(v) for v in _submessages(data, number))


def _decode(value: memoryview) -> str:
    return bytes(value).decode()


def _floats(data: memoryview) -> list[float]:
    """Repeated float: packed in newer writers, one field each in older ones."""
    parts = [v for number, v in fields_of(data) if number == _FLOATS]
    raw = b"".join(bytes(v) if isinstance(v, memoryview) else v.to_bytes(4, "little") for v in parts)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def _ints(data: memoryview, wanted: int) -> list[int]:
    """Repeated int64: packed in newer writers, one varint per field in older ones."""
    values: list[int] = []
    for number, value in fields_of(data):
        if number == wanted:
            values.extend([value] if isinstance(value, int) else _packed(value))
    return [v - 2**64 if v >= 2**63 else v for v in values]


def _packed(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _inside(data: memoryview, outer: int, inner: int) -> Iterator[memoryview]:
    for message in _submessages(data, outer):
        yield from _submessages(message, inner)


def _submessages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in fields_of(data):
        if number == wanted and isinstance(value, memoryview):
            yield value


def fields_of(data: memoryview) -> Iterator[tuple[int, Value]]:
    """The fields of a message, by number. Raises ValueError or IndexError for what no reader of protocol buffers may accept."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            number_value, at = _varint(data, at)
            yield number, number_value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        else:
            length = _WIDTHS.get(wire, len(data))
        if at + length > len(data) or key >= _KEY_LIMIT:
            raise ValueError(f"a field of {length} bytes, of wire type {wire}, with {len(data) - at} bytes left")
        value = data[at : at + length]
        yield number, value if wire == 2 else int.from_bytes(value, "little")
        at += length


_WIDTHS = {1: 8, 5: 4}
_KEY_LIMIT = 2**32


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def read_producer(path: Path) -> str:
    """The program that wrote a file, with its version, as it calls itself; empty where it does not. Raises ValueError."""
    with path.open("rb") as file:
        model = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return f"{_text(model, _PRODUCER)} {_text(model, _PRODUCER_VERSION)}".strip()
    except (IndexError, struct.error) as error:
        raise ValueError("not an ONNX file") from error

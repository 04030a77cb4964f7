"""The class labels inside an ONNX file, read without the `onnx` package (30 MB and a protobuf runtime for one list).

ONNX Runtime does not show node attributes. The file is protocol buffers (https://protobuf.dev/programming-guides/encoding/):
ModelProto.graph = 7, GraphProto.node = 1, NodeProto.attribute = 5, AttributeProto.name = 1, .ints = 8, .strings = 9.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_GRAPH, _NODE, _ATTRIBUTE, _NAME, _INTS, _STRINGS = 7, 1, 5, 1, 8, 9
_CLASS_ATTRIBUTES = (b"classlabels_strings", b"classlabels_int64s", b"classlabels_ints")


def read_classes(path: Path) -> list[str] | list[int]:
    """The classes of the last classifier node of the graph, in the order of its probabilities; empty if there is none."""
    found: list[str] | list[int] = []
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as model,
    ):
        try:
            for attribute in _attributes(model):
                found = _class_labels(attribute) or found
                attribute.release()
        except (IndexError, ValueError):
            return []
    return found


def _attributes(model: memoryview) -> Iterator[memoryview]:
    for graph in _submessages(model, _GRAPH):
        for node in _submessages(graph, _NODE):
            yield from _submessages(node, _ATTRIBUTE)


def _class_labels(attribute: memoryview) -> list[str] | list[int]:
    name = b"".join(bytes(value) for value in _submessages(attribute, _NAME))
    if name not in _CLASS_ATTRIBUTES:
        return []
    strings = [bytes(value).decode() for value in _submessages(attribute, _STRINGS)]
    return strings or _ints(attribute)


def _ints(attribute: memoryview) -> list[int]:
    """Repeated int64: packed in newer writers, one varint per field in older ones."""
    values: list[int] = []
    for number, value in _fields(attribute):
        if number == _INTS and isinstance(value, int):
            values.append(value)
        elif number == _INTS and not isinstance(value, int):
            values.extend(_packed(value))
    return [v - 2**64 if v >= 2**63 else v for v in values]


def _packed(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _submessages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(data):
        if number == wanted and not isinstance(value, int):
            yield value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            yield number, data[at : at + length]
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7

"""What an ONNX graph knows of classes and categories, read without the `onnx` package (30 MB and a protobuf runtime).

ONNX Runtime does not show nodes. The file is protocol buffers (https://protobuf.dev/programming-guides/encoding/); the numbers
of the fields below are those of onnx.proto.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_NAME, _I, _INTS, _STRINGS = 1, 3, 8, 9
_STRING_DATA, _INT64_DATA, _TENSOR_NAME, _RAW_DATA = 6, 7, 8, 9

_CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_CATEGORIES = ("cats_strings", "cats_int64s")
_READ = frozenset({*_CLASSES, *_CATEGORIES, "zeros"})
_SAME_VALUES = ("Cast", "Reshape", "Identity", "Flatten", "Squeeze", "Unsqueeze")
_SAME_COLUMN = (*_SAME_VALUES, "Gather", "ArrayFeatureExtractor")
"""Of an input of one column, these can pick only that one."""


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """`classes` in the order of the probabilities, and by input its categories and whether others are refused."""

    classes: tuple[Any, ...] = ()
    categories: Mapping[str, tuple[tuple[Any, ...], bool]] = field(default_factory=dict)


def read_graph(path: Path, inputs: Collection[str], label: str) -> GraphFacts:
    """The facts about a graph with these inputs, whose labels are the output `label`; none where the file is no such graph."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as model,
    ):
        try:
            nodes = [_read_node(node) for node in _inside(model, _GRAPH, _NODE)]
            classes = _class_attribute(nodes) or _extracted_classes(model, nodes, label)
            return GraphFacts(classes, _categories(nodes, inputs))
        except (IndexError, ValueError, struct.error):
            return GraphFacts()


# -- what the nodes say --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Node:
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


def _class_attribute(nodes: list[_Node]) -> tuple[Any, ...]:
    """The labels that the last classifier node holds itself."""
    found = [n.attributes[key] for n in nodes for key in _CLASSES if n.attributes.get(key)]
    return tuple(found[-1]) if found else ()


def _extracted_classes(model: memoryview, nodes: list[_Node], label: str) -> tuple[Any, ...]:
    """The labels of models without such a node: the table from which the winning position is picked."""
    makers = {output: node for node in nodes for output in node.outputs}
    node = makers.get(label)
    while node is not None and node.op in _SAME_VALUES:
        node = makers.get(node.inputs[0])
    if node is None or node.op != "ArrayFeatureExtractor":
        return ()
    tensors = (t for t in _inside(model, _GRAPH, _INITIALIZER) if _text(t, _TENSOR_NAME) == node.inputs[0])
    return next(map(_tensor_values, tensors), ())


def _categories(nodes: list[_Node], inputs: Collection[str]) -> dict[str, tuple[tuple[Any, ...], bool]]:
    """The categories of the encoders that read an input of one column. `zeros` says that unseen ones become zeros."""
    sources = {name: name for name in inputs}
    found = {}
    for node in nodes:
        source = sources.get(node.inputs[0]) if node.inputs else None
        if source is None:
            continue
        if node.op in _SAME_COLUMN:
            sources |= dict.fromkeys(node.outputs, source)
        values = next((node.attributes[key] for key in _CATEGORIES if node.attributes.get(key)), None)
        if values and node.op == "OneHotEncoder":
            found[source] = (tuple(values), node.attributes.get("zeros", 1) == 0)
    return found


# -- messages ------------------------------------------------------------------------------------------------------


def _read_node(data: memoryview) -> _Node:
    attributes = {}
    for attribute in _submessages(data, _ATTRIBUTE):
        name = _text(attribute, _NAME)
        if name in _READ:
            attributes[name] = _attribute_value(attribute)
    inputs, outputs = ([_decode(v) for v in _submessages(data, n)] for n in (_INPUT, _OUTPUT))
    return _Node(_text(data, _OP_TYPE), inputs, outputs, attributes)


def _attribute_value(data: memoryview) -> Any:
    strings = [_decode(v) for v in _submessages(data, _STRINGS)]
    numbers = [v for number, v in _fields(data) if number == _I and isinstance(v, int)]
    return strings or _ints(data, _INTS) or (numbers[0] if numbers else None)


def _tensor_values(data: memoryview) -> tuple[Any, ...]:
    strings = [_decode(v) for v in _submessages(data, _STRING_DATA)]
    raw = b"".join(bytes(v) for v in _submessages(data, _RAW_DATA))
    return tuple(strings or _ints(data, _INT64_DATA) or struct.unpack(f"<{len(raw) // 8}q", raw))


def _text(data: memoryview, number: int) -> str:
    return "".join(_decode(v) for v in _submessages(data, number))


def _decode(value: memoryview) -> str:
    return bytes(value).decode()


def _ints(data: memoryview, wanted: int) -> list[int]:
    """Repeated int64: packed in newer writers, one varint per field in older ones."""
    values: list[int] = []
    for number, value in _fields(data):
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

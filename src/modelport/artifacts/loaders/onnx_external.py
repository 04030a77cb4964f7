"""Tensors that an ONNX file keeps in other files: only files in its own folder are read."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from modelport.artifacts.loaders.onnx_wire import fields_of
from modelport.errors import ArtifactError

_TENSOR, _ENTRY = "tensor", "entry"
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    _TENSOR: {13: _ENTRY},
}
"""Which fields of onnx.proto lead to tensors: by kind of message, field number to the kind inside."""

_KEY, _VALUE = 1, 2


def refuse_outside(path: Path) -> None:
    """Raise ArtifactError where a tensor is to be read from outside the model's folder, or the file cannot be followed."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if (
        data.find(b"location") < 0
    ):  # the key of every such entry: most files hold none, and large ones take long to walk
        return
    try:
        for location in _locations(memoryview(data)):
            _check(location, path)
    except (IndexError, ValueError):
        raise ArtifactError(f"{path} cannot be read as ONNX: it is damaged, or of another format") from None


def _check(location: str, path: Path) -> None:
    folder = path.parent.resolve()
    plain = location and not location.startswith(("/", "\\")) and not PureWindowsPath(location).drive
    if not plain or "\0" in location or not (path.parent / location).resolve().is_relative_to(folder):
        raise ArtifactError(
            f"{path} wants to read {location[:200]!r}, which is outside its folder: save the model again with its data beside it"
        )


def _locations(data: memoryview) -> Iterator[str]:
    waiting = [("model", data)]
    while waiting:
        kind, message = waiting.pop()
        for number, value in fields_of(message):
            inside = _INSIDE[kind].get(number)
            if inside is None or not isinstance(value, memoryview):
                continue
            if inside != _ENTRY:
                waiting.append((inside, value))
            elif _text(value, _KEY) == "location":
                yield _text(value, _VALUE)


def _text(entry: memoryview, wanted: int) -> str:
    """A later value of a field replaces an earlier one."""
    found = [value for number, value in fields_of(entry) if number == wanted and isinstance(value, memoryview)]
    return bytes(found[-1]).decode() if found else ""

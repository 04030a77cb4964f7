"""Hostile files by name: what is written into a folder, and what the refusal must say besides the file's name."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.artifacts.hostile.opcodes import named, new, whole
from tests.artifacts.hostile.pickles import CALLS, DETOURS, PACKED, WEIGHTS, system

Write = Callable[[Path, str], Path]
"""Writes a case into a folder of its own; the second argument is the file that must never appear."""


def _pickled(make: Callable[[str], object]) -> Write:
    def write(folder: Path, canary: str) -> Path:
        path = folder / "model.pkl"
        made = make(canary)
        path.write_bytes(made if isinstance(made, bytes) else whole(made))
        return path

    return write


# -- renamed, nested, linked -----------------------------------------------------------------------------------------


def _renamed(name: str) -> Write:
    def write(folder: Path, canary: str) -> Path:
        path = folder / name
        path.write_bytes(whole(system(canary), 2))
        return path

    return write


def _saved_by_torch(folder: Path, canary: str) -> Path:
    path = folder / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", whole(system(canary), 2))
        archive.writestr("model/version", "3")
    return path


def _tar(folder: Path, canary: str) -> Path:
    path = folder / "model.joblib"
    data = whole(system(canary))
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("../../model.pkl")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return path


def _linked(folder: Path, canary: str) -> Path:
    (folder / "elsewhere").write_bytes(whole(system(canary)))
    path = folder / "model.joblib"
    path.symlink_to(folder / "elsewhere")
    return path


def _library_beside(folder: Path, canary: str) -> Path:
    """A folder called like a library on the list, which is not installed: the current folder is on the path of a service."""
    package = folder / "imblearn"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({canary!r}, 'w').close()")
    (package / "pipeline.py").write_text("class Pipeline: pass")
    path = folder / "model.pkl"
    path.write_bytes(whole(new(named("imblearn.pipeline", "Pipeline"))))
    return path


# -- ONNX ------------------------------------------------------------------------------------------------------------


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def external_model(location: str, wrap: Callable[[bytes], bytes] = lambda tensor: _field(5, tensor)) -> bytes:
    """y = x + w, where w lies in another file. `wrap` puts the tensor into the graph."""
    entries = b"".join(
        _field(13, _field(1, k) + _field(2, v)) for k, v in ((b"location", location.encode()), (b"length", b"4"))
    )
    tensor = b"\x08\x01\x10\x01" + _field(8, b"w") + entries + b"\x70\x01"
    value = _field(2, _field(1, b"\x08\x01" + _field(2, _field(1, b"\x08\x01"))))
    node = _field(1, b"x") + _field(1, b"w") + _field(2, b"y") + _field(4, b"Add")
    graph = _field(1, node) + _field(2, b"g") + wrap(tensor) + _field(11, _field(1, b"x") + value)
    graph += _field(12, _field(1, b"y") + value)
    return b"\x08\x08" + _field(7, graph) + _field(8, b"\x10\x0d")


def _in_a_subgraph(tensor: bytes) -> bytes:
    attribute = _field(1, b"body") + _field(6, _field(5, tensor)) + b"\xa0\x01\x05"
    return _field(1, _field(2, b"z") + _field(4, b"Loop") + _field(5, attribute))


def _external(location: str, wrap: Callable[[bytes], bytes] | None = None) -> Write:
    def write(folder: Path, canary: str) -> Path:
        outside = folder.parent / "secret.bin"
        outside.write_bytes(b"\0\0\x80?")
        model = folder / "model.onnx"
        where = location.format(outside=outside)
        model.write_bytes(external_model(where, wrap) if wrap else external_model(where))
        (folder / "link.bin").symlink_to(outside)
        (folder / "way").symlink_to(folder.parent)
        return model

    return write


_OUTSIDE = "which is outside its folder"

FILES: dict[str, tuple[Write, str]] = {
    **{name: (_pickled(make), wanted) for name, (make, wanted) in (CALLS | DETOURS | WEIGHTS | PACKED).items()},
    "a pickle called .joblib": (_renamed("model.joblib"), "posix.system"),
    "a pickle called .sav": (_renamed("model.sav"), "posix.system"),
    "a pickle called .onnx": (_renamed("model.onnx"), "cannot be read as ONNX"),
    "a pickle called .cbm": (_renamed("model.cbm"), "cannot be read as a CatBoost model"),
    "a pickle called .ubj": (_renamed("model.ubj"), "of no kind that is read here"),
    "a pickle called .json": (_renamed("model.json"), "of no kind that is read here"),
    "a pickle called .txt": (_renamed("model.txt"), "of no kind that is read here"),
    "a pickle called .pt": (_renamed("model.pt"), "holds a pickle, not a program"),
    "a pickle called .pt2": (_renamed("model.pt2"), "holds a pickle, not a program"),
    "a pickle in torch's archive": (_saved_by_torch, "holds weights or a pickled module"),
    "a tar archive": (_tar, "cannot be unpickled"),
    "a linked pickle": (_linked, "posix.system"),
    "a library beside the model": (_library_beside, "would be imported from the current folder"),
    "tensors at an absolute path": (_external("{outside}"), _OUTSIDE),
    "tensors above": (_external("../secret.bin"), _OUTSIDE),
    "tensors above, the long way": (_external("a/../../secret.bin"), _OUTSIDE),
    "tensors behind a link": (_external("link.bin"), _OUTSIDE),
    "tensors behind a linked folder": (_external("way/secret.bin"), _OUTSIDE),
    "tensors on a drive": (_external("C:\\secret.bin"), _OUTSIDE),
    "tensors of a subgraph": (_external("../secret.bin", _in_a_subgraph), _OUTSIDE),
}

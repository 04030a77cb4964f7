"""Kinds of model files that are known and not read here, with the way to one that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_HERE = "install what converts it, once, at its first start:  pip install 'modelport[keras]'  or convert it where "
_CONVERT = (
    "pip install tf2onnx; python -m tf2onnx.convert --saved-model {saved} --output model.onnx  and serve model.onnx"
)
_SAVED_MODEL = _HERE + "TensorFlow is installed:  " + _CONVERT.format(saved="{name}")
_KERAS = (
    _HERE + 'it was trained: write  keras.models.load_model("{name}", compile=False).export("saved")  in Python, then  '
) + _CONVERT.format(saved="saved")
"""By way of a SavedModel: tf2onnx does not read what Keras 3 saves, and Keras 3 exports no model as ONNX that was not called."""


def describe_unread(path: Path, head: bytes) -> str | None:
    """What a file or folder is and what to do with it, as the end of a sentence; None where it is nothing that is known."""
    for what, way, is_one in _KINDS:
        if is_one(path, head):
            return f"is {what}, which is not read here: {way.format(name=path.name)}"
    return None


def is_keras(path: Path, head: bytes) -> bool:
    """Whether it is a model of Keras or a SavedModel of TensorFlow, which are read where their converters are installed."""
    return any(is_one(path, head) for is_one in (_is_saved_model, _is_keras_archive, _is_hdf5))


def _ends(*suffixes: str) -> Callable[[Path, bytes], bool]:
    return lambda path, _: path.suffix.lower() in suffixes


def _is_hdf5(_: Path, head: bytes) -> bool:
    return head.startswith(b"\x89HDF\r\n\x1a\n")


def _is_saved_model(path: Path, _: bytes) -> bool:
    return path.is_dir() and ((path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file())


def _is_keras_archive(path: Path, head: bytes) -> bool:
    return path.suffix.lower() == ".keras" and head.startswith(b"PK\x03\x04")


def _is_tflite(_: Path, head: bytes) -> bool:
    return head[4:8] == b"TFL3"


def _is_pmml(_: Path, head: bytes) -> bool:
    return head.lstrip().startswith(b"<") and b"<PMML" in head


_KINDS: tuple[tuple[str, str, Callable[[Path, bytes], bool]], ...] = (
    ("a SavedModel of TensorFlow", _SAVED_MODEL, _is_saved_model),
    ("a model of Keras 3", _KERAS, _is_keras_archive),
    ("an HDF5 file, as Keras before 3 saves models", _KERAS, _is_hdf5),
    (
        "a TensorFlow Lite model",
        "convert it with  python -m tf2onnx.convert --tflite {name} --output model.onnx  and serve model.onnx",
        _is_tflite,
    ),
    ("a PMML document", "export the model as ONNX where it was trained, or save it with its own library", _is_pmml),
    ("a Core ML model", "export the model as ONNX where it was trained", _ends(".mlmodel", ".mlpackage")),
    ("an R object", "serve it from R, or train the model again in Python", _ends(".rds", ".rda", ".rdata")),
)
"""What it is, what to do, and how it is told; what is told by content first."""

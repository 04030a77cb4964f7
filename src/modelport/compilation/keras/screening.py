"""What a file of Keras says it is made of, read as data: code, and classes that are not Keras's own, are found before it is loaded.

Keras has such checks, too (`safe_mode`), but not for HDF5 in all releases, and they have been got round before.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LAMBDA = "a Lambda layer, which is Python code"
CODE = {
    "Lambda": LAMBDA,
    "__lambda__": LAMBDA,
    "TorchModuleWrapper": "a TorchModuleWrapper, which is a pickle",
    "TFSMLayer": "a TFSMLayer, which reads another model from the disk",
    "JaxLayer": "a JaxLayer, which is code",
    "FlaxLayer": "a FlaxLayer, which is code",
}
LIBRARIES = ("keras", "tf_keras")
NOT_OF_MODELS = frozenset({"utils", "saving", "export", "datasets", "applications", "callbacks", "distribution"})
"""Parts of Keras that no layer comes from, and whose functions read files or fetch them."""
LARGEST = 64 * 2**20
HDF5 = b"\x89HDF\r\n\x1a\n"


class NoModelError(ValueError):
    """The file holds no whole model of Keras; the message says what it holds instead."""


def is_hdf5(path: Path) -> bool:
    """By its first bytes, whatever its name says."""
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5


def read_config(path: Path) -> Any:
    """What the file says its model is made of. Raises NoModelError where that is not in it."""
    try:
        return json.loads(_read_hdf5(path) if is_hdf5(path) else _read_archive(path))
    except (ValueError, RecursionError, OSError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, NoModelError):
            raise
        raise NoModelError(f"is damaged: {error}") from None


def _read_archive(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NoModelError(f"is damaged: its description has more than {LARGEST} bytes")
    return content


def _read_hdf5(path: Path) -> str | bytes:
    import h5py

    with h5py.File(path, "r") as file:
        found = file.attrs.get("model_config")
        weights = "layer_names" in file.attrs or "layers" in file
    if found is None:
        what = "weights without their model: save it whole, with  model.save(…)" if weights else "no model of Keras"
        raise NoModelError(f"holds {what}")
    return found if isinstance(found, bytes) else str(found)


def find_code(config: Any) -> Iterator[str]:
    """What of it is code, or names code, in words. Losses and metrics of the model itself are not read, and left out."""
    root = {key: value for key, value in config.items() if key != "compile_config"} if isinstance(config, dict) else {}
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield from _told_of(node)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _told_of(node: Mapping[str, Any]) -> Iterator[str]:
    name, module, settings = node.get("class_name"), node.get("module"), node.get("config")
    if isinstance(settings, dict) and isinstance(settings.get("vocabulary"), str):
        yield f"a vocabulary in the file {settings['vocabulary']!r} of this machine"
    if not isinstance(name, str):
        return
    if name in CODE:
        yield CODE[name]
    elif name[:1].islower():
        yield f"the function {str(settings)[:80]!r}"
    elif isinstance(module, str) and not _is_of_keras(module):
        yield f"the class {module}.{name}"
    elif ">" in name or ">" in str(node.get("registered_name")):
        yield f"the class {node.get('registered_name') or name}"


def _is_of_keras(module: str) -> bool:
    library, *parts = module.split(".")
    return library in LIBRARIES and not NOT_OF_MODELS.intersection(parts)

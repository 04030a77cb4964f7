"""What a model file is, which program wrote it, and whether it could run code, told without running anything of it."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from modelport.artifacts.bundle import is_bundle, read_bundle
from modelport.artifacts.loaders.onnx_wire import read_producer
from modelport.artifacts.mlflow import is_mlflow
from modelport.artifacts.pickles.boosters import version_in
from modelport.artifacts.xgboost_binary import is_binary
from modelport.assembly.artifacts import find_loader, pickle_in, read_head
from modelport.assembly.diagnosis import tell_pickle
from modelport.errors import ArtifactError

DATA = "yes: it holds numbers and names, no code"
PROGRAM = "as far as you trust whoever made it: it is a program of {library}'s operations, which runs when it is asked"
MOST_CHARACTERS = 60
_LARGEST = 2**20
_TENSORFLOW = re.compile(rb"\x2a([\x05-\x20])(\d{1,3}\.\d{1,3}\.\d{1,3}[\w.+-]*)\x32", re.DOTALL)
"""In a SavedModel: the version, as a text with its length, before that of the source it was built from."""


def tell_file(path: Path) -> dict[str, str]:
    """The `kind` of a file or folder, with the version that wrote it as far as it is told, and whether it is `safe`.

    Empty for what a loader of another package reads. Raises ArtifactError for what is read by none, or damaged.
    """
    if is_bundle(path):
        inside = tell_file(read_bundle(path).original)
        return {**inside, "kind": f"bundle of: {inside['kind']}"} if inside else {}
    if is_mlflow(path):
        inside = tell_file(pickle_in(path))
        return {**inside, "kind": f"model folder of MLflow with: {inside['kind']}"} if inside else {}
    tell = _TELL.get(find_loader(path).extra)
    try:
        return {} if tell is None else tell(path)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from None


def _tell_xgboost(path: Path) -> dict[str, str]:
    data = path.read_bytes()
    version = version_in("xgboost", data)
    if is_binary(data[:4096]):
        form = "binary of XGBoost up to 3.0, which 3.1 itself does not read"
        version = "0.90 or older" if version == "0.90" else version.removesuffix(".*")
    else:
        form = "UBJSON of XGBoost" if data.startswith(b"{L") else "JSON of XGBoost"
    return {"kind": form + _told_of_writer("xgboost", version), "safe": DATA}


def _tell_lightgbm(path: Path) -> dict[str, str]:
    version = version_in("lightgbm", path.read_bytes())
    return {"kind": f"text file of LightGBM, with trees of format {version or 'unknown'}", "safe": DATA}


def _tell_catboost(path: Path) -> dict[str, str]:
    version = version_in("catboost", path.read_bytes())
    return {"kind": "binary of CatBoost" + _told_of_writer("catboost", version), "safe": DATA}


def _tell_onnx(path: Path) -> dict[str, str]:
    try:
        producer = read_producer(path)
    except ValueError:  # whoever loads it says so
        producer = ""
    return {"kind": "ONNX file" + _told_of_writer("", producer[:MOST_CHARACTERS]), "safe": DATA}


def _tell_torch(path: Path) -> dict[str, str]:
    form = "exported program" if path.suffix.lower() == ".pt2" else "TorchScript program"
    return {"kind": f"{form} of PyTorch", "safe": PROGRAM.format(library="PyTorch")}


def _tell_keras(path: Path) -> dict[str, str]:
    if path.is_dir():
        kind = "SavedModel of TensorFlow" + _told_of_writer("tensorflow", _version_of_saved_model(path))
        return {"kind": kind, "safe": PROGRAM.format(library="TensorFlow")}
    archive = read_head(path).startswith(b"PK")
    version = _version_in_archive(path) if archive else _version_in_hdf5(path)
    form = "archive of Keras" if archive else "HDF5 file of Keras"
    safe = "yes, once converted: files whose layers hold code are refused, and what serves is ONNX"
    return {"kind": form + _told_of_writer("keras", version), "safe": safe}


def _told_of_writer(library: str, version: str) -> str:
    if not version:
        return ", which does not tell the version that wrote it"
    return f", written by {library} {version[:MOST_CHARACTERS]}".replace("  ", " ")


def _version_of_saved_model(path: Path) -> str:
    """Of its description, which names the TensorFlow that wrote it near its beginning."""
    try:
        with (path / "saved_model.pb").open("rb") as file:
            found = [m for m in _TENSORFLOW.finditer(file.read(_LARGEST)) if m[1][0] == len(m[2])]
    except OSError:  # it is one in text
        return ""
    return found[0][2].decode("ascii") if found else ""


def _version_in_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            told = json.loads(file.read(_LARGEST))
    except (ValueError, KeyError, RuntimeError, zipfile.BadZipFile):  # damaged, or locked
        return ""
    version = told.get("keras_version") if isinstance(told, dict) else None
    return version if isinstance(version, str) else ""


def _version_in_hdf5(path: Path) -> str:
    """Where what reads such files is installed, as it is where they are converted."""
    try:
        import h5py

        with h5py.File(path, "r") as file:
            version = file.attrs.get("keras_version", "")
    except Exception:  # it is not here, or the file is damaged: whoever converts it says so
        return ""
    return version.decode("ascii", "replace") if isinstance(version, bytes) else str(version)


_TELL: dict[str, Callable[[Path], dict[str, str]]] = {
    "sklearn": tell_pickle,
    "skops": tell_pickle,
    "xgboost": _tell_xgboost,
    "lightgbm": _tell_lightgbm,
    "catboost": _tell_catboost,
    "onnx": _tell_onnx,
    "torch": _tell_torch,
    "keras": _tell_keras,
}

"""scikit-learn estimators and pipelines saved with skops, which stores what a model is made of and nothing to run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelport.artifacts.loaders.sklearn import load_estimator
from modelport.artifacts.pickles.allowed import resolve
from modelport.artifacts.pickles.permit import Gone, Refused
from modelport.artifacts.pickles.stream import FREE_BYTES, MOST_RATIO
from modelport.errors import ArtifactError, MissingExtra, UntrustedPickle
from modelport.kernel.ports import Hints, Model

_LIBRARIES = ("sklearn", "numpy", "scipy", "xgboost", "lightgbm", "collections")


class SkopsLoader:
    """Reads `.skops` files."""

    extra = "skops"
    compiled = False
    compilable = True
    composes = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix: other formats are archives, too."""
        return path.suffix.lower() == ".skops"

    def load(self, path: Path, hints: Hints) -> Model:
        """Read it, where skops or our own list trusts every type in it."""
        read = hints.read or (lambda file: read_skops(file, hints.allow_pickle))
        return load_estimator(path, hints, lambda: read(path))


def read_skops(path: Path, allow_pickle: bool) -> Any:
    """What a skops file holds. Raises ArtifactError, or MissingExtra without skops."""
    _refuse_bombs(path)
    try:
        import skops.io
    except ModuleNotFoundError:
        raise MissingExtra("a model saved with skops", SkopsLoader.extra) from None
    try:
        return skops.io.load(path, trusted=trusted_types(path, allow_pickle))
    except ArtifactError:
        raise
    except Exception as error:  # skops raises whatever its parts raise
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ArtifactError(f"{path} cannot be read as a skops file: {reason}") from None


def _refuse_bombs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        raise ArtifactError(f"{path} cannot be read as a skops file: it is damaged, or of another format") from None
    if unpacked > max(FREE_BYTES, path.stat().st_size * MOST_RATIO):
        raise ArtifactError(f"{path} unpacks to more than {MOST_RATIO} times its size, as archive bombs do")


def trusted_types(path: Path, allow_pickle: bool) -> list[str]:
    """The types in the file that skops does not know and we do. Raises UntrustedPickle for any other."""
    import skops.io

    unknown = list(skops.io.get_untrusted_types(file=path))
    refused = [] if allow_pickle else list(_untrusted(unknown))
    if refused:
        raise UntrustedPickle(
            f"{path} was not loaded, because loading it could run code: {refused[0][:200]} is not on the list of what a model "
            "file may hold. Save the model as ONNX (skl2onnx); or, if you trust whoever made this file, add --allow-pickle",
            refused[0],
        )
    return unknown


def _untrusted(names: list[str]) -> Iterator[str]:
    for name in names:
        module, _, last = name.rpartition(".")
        try:
            known = module.partition(".")[0] in _LIBRARIES and resolve(module, last) is not None
        except (Refused, Gone, ModuleNotFoundError):
            known = False
        if not known:
            yield name

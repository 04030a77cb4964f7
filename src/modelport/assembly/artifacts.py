"""Finding the loader of an artifact, and loading it with everything the user said about it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from modelport.artifacts.bundle import is_remnant
from modelport.artifacts.override import read_override
from modelport.artifacts.sample import read_sample
from modelport.artifacts.unread import describe_unread
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, SignatureError
from modelport.kernel.infer import check_corrections, ignored_columns, missing_columns
from modelport.kernel.ports import Hints, Loader, Model
from modelport.kernel.signature import Field

LOADERS = {
    "mlflow": "modelport.artifacts.loaders.mlflow:MlflowLoader",
    "onnx": "modelport.artifacts.loaders.onnx:OnnxLoader",
    "sklearn": "modelport.artifacts.loaders.sklearn:SklearnLoader",
    "skops": "modelport.artifacts.loaders.skops:SkopsLoader",
    "xgboost": "modelport.artifacts.loaders.xgboost:XgboostLoader",
    "lightgbm": "modelport.artifacts.loaders.lightgbm:LightgbmLoader",
    "catboost": "modelport.artifacts.loaders.catboost:CatboostLoader",
    "torch": "modelport.artifacts.loaders.torch:TorchLoader",
}
"""Our own loaders; those of other packages are found through the entry point group of the same name."""

ENTRY_POINTS = "modelport.loaders"
HEAD_BYTES = 4096
MAX_LISTED = 12
"""Columns that a message names."""


def find_loader(path: Path) -> Loader:
    """The loader that reads this file. Raises ArtifactError where there is none."""
    head = _read_head(path)
    for loader in _loaders():
        if loader.probe(path, head):
            return loader
    if is_remnant(path):
        raise ArtifactError(f"{path} is a damaged bundle: manifest.json is missing; copy it again, whole")
    said = describe_unread(path, head) or _describe_folder(path)
    if said is not None:
        raise ArtifactError(f"{path} {said}")
    raise ArtifactError(
        f"{path} is of no kind that is read here ({', '.join(LOADERS)}): save it in one of their formats"
    )


def _describe_folder(path: Path) -> str | None:
    from modelport.assembly.loose import describe_loose  # and NumPy: workers do without

    return describe_loose(path) if path.is_dir() else None


def _read_head(path: Path) -> bytes:
    try:
        if path.is_dir():
            return b""
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ArtifactError(f"the model file {path} does not exist") from None
    except OSError as error:
        raise ArtifactError(f"the model file {path} cannot be read: {error.strerror}") from None
    if not head:
        raise ArtifactError(f"the model file {path} is empty")
    return head


def _loaders() -> Iterator[Loader]:
    for target in LOADERS.values():
        module, _, name = target.partition(":")
        yield getattr(importlib.import_module(module), name)()
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loader = entry.load()()
        except Exception as error:  # somebody else's package, broken in whatever way
            raise ArtifactError(f"the loader {entry.value!r} of another package cannot be imported: {error}") from None
        yield loader


def load_artifact(
    path: Path, options: ServeOptions, code: frozenset[str] = frozenset(), known: Sequence[Field] = ()
) -> tuple[Model, tuple[str, ...]]:
    """Read a model with everything the user said about it, and what should be told about that.

    `code` are modules that can be imported, and whose classes and functions it may hold; `known` are its inputs as they were
    settled before.
    """
    columns = read_sample(options.data) if options.data else {}
    hints = Hints(options.features or (), options.target, columns, allow_pickle=options.allow_pickle)
    hints = replace(hints, helpers=helper_files(options), code=code, known=tuple(known))
    hints = read_override(path, hints)
    _check_target(hints)
    model = _load(find_loader(path), path, hints)
    check_corrections(model.signature, hints)
    _check_shared(model, hints)
    _check_classes(model, hints)
    return model, (*model.signature.notes, *_data_notes(model, hints))


def _load(loader: Loader, path: Path, hints: Hints) -> Model:
    if not hints.helpers or getattr(loader, "composes", False):
        return loader.load(path, hints)
    from modelport.artifacts.helpers.adapter import load_with_helpers

    return load_with_helpers(loader, path, hints)


def helper_files(options: ServeOptions) -> tuple[Path, ...]:
    """The other files of the model. Raises ArtifactError where one is missing."""
    for path in options.with_ or ():
        if not path.is_file():
            raise ArtifactError(
                f"the file {path} that --with names {'is no file' if path.exists() else 'does not exist'}"
            )
    return options.with_ or ()


def _check_target(hints: Hints) -> None:
    if hints.target is not None and hints.columns and hints.target not in hints.columns:
        raise SignatureError(f"--target {hints.target!r} is no column of the data: {', '.join(hints.columns)}")


def _check_shared(model: Model, hints: Hints) -> None:
    names = model.signature.names
    if hints.columns and not any(name in hints.columns for name in names):
        raise SignatureError(
            f"the data shares no column with the model: the model takes {_listed(names)}; the data has "
            f"{_listed(list(hints.columns))}. Give the data that it was trained on, or leave --data out"
        )


def _check_classes(model: Model, hints: Hints) -> None:
    outputs = model.signature.outputs
    if hints.classes and not any(tuple(o.classes) == hints.classes for o in outputs):
        own = next((o.classes for o in outputs if o.classes), ())
        what = f"stores its classes itself: {_listed(list(map(str, own)))}" if own else "has no classes"
        raise SignatureError(f"the TOML file beside the model names classes, but the model {what}; leave classes out")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name:.60}" for name in names[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown}, … ({len(names)} in all)"


def _data_notes(model: Model, hints: Hints) -> Iterator[str]:
    if ignored := ignored_columns(model.signature, hints):
        yield f"columns of the data that the model does not know, ignored: {_listed(ignored)}"
    if missing := missing_columns(model.signature, hints):
        yield f"inputs of the model that the data has no column for: {_listed(missing)}"

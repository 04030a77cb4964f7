"""Finding the loader of an artifact, and loading it with everything the user said about it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelport.artifacts.bundle import is_remnant
from modelport.artifacts.mlflow import is_mlflow, read_mlflow
from modelport.artifacts.override import read_override
from modelport.artifacts.pickles.telling import is_pickle
from modelport.artifacts.sample import read_sample
from modelport.artifacts.unread import describe_unread
from modelport.assembly.origins import (
    SCIKIT_LEARN,
    OtherVersion,
    of_several,
    other_booster_in,
    other_version_in,
    several_in,
    versions_in,
)
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, MissingExtra, SetupError, SignatureError, UnprovenVersion, UntrustedPickle
from modelport.kernel.infer import check_corrections, ignored_columns, missing_columns
from modelport.kernel.ports import Hints, Loader, Model, Repairs
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
    "keras": "modelport.assembly.keras:KerasLoader",
}
"""Our own loaders; those of other packages are found through the entry point group of the same name."""

SAVED_WITH_VERSION = (".joblib", ".pkl", ".pickle", ".sav", ".skops")
"""Files in which estimators of scikit-learn say which version saved them."""

ENTRY_POINTS = "modelport.loaders"
HEAD_BYTES = 4096
Read = Callable[[Path], Any]
MAX_LISTED = 12
"""Columns that a message names."""


def find_loader(path: Path) -> Loader:
    """The loader that reads this file. Raises ArtifactError where there is none."""
    head = read_head(path)
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


def read_head(path: Path) -> bytes:
    """The first bytes of a model file, by which its kind is told; none of a folder. Raises ArtifactError where there are none."""
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
    path: Path,
    options: ServeOptions,
    code: frozenset[str] = frozenset(),
    known: Sequence[Field] = (),
    read: Read | None = None,
    other_version: str = "",
    repairs: Callable[[Path], Repairs | None] | None = None,
) -> tuple[Model, tuple[str, ...]]:
    """Read a model with everything the user said about it, and what should be told about that.

    `code` are modules that can be imported, and whose classes and functions it may hold; `known` are its inputs as they were
    settled before. `read` reads pickles in place of our own reader, `repairs` mends what that reads. `other_version`: what to tell
    of a model that another version saved, where that may be served; UnprovenVersion is raised otherwise.
    """
    columns = read_sample(options.data) if options.data else {}
    hints = Hints(options.features or (), options.target, columns, allow_pickle=options.allow_pickle)
    hints = replace(hints, helpers=helper_files(options), code=code, known=tuple(known), cache_dir=options.cache_dir)
    hints = replace(hints, read=read, repairs=repairs, other_version=other_version or trusted_version(path, options))
    hints = read_override(path, hints)
    _check_target(hints)
    try:
        model = _load(find_loader(path), path, hints)
    except (UntrustedPickle, MissingExtra):
        raise
    except UnprovenVersion as error:  # of the file inside a folder, perhaps
        raise _of_several(path, options) or error.about(str(path)) from None
    except SetupError as error:
        told = _of_other_version(path, options, error) if read is None else None
        raise told or error from None
    check_corrections(model.signature, hints)
    _check_shared(model, hints)
    _check_classes(model, hints)
    notes = () if read is not None else _notes_of_booster(path, options, hints.other_version)
    notes = tuple(note for note in notes if note not in model.signature.notes)
    return model, (*model.signature.notes, *notes, *_data_notes(model, hints))


def trusted_version(path: Path, options: ServeOptions) -> str:
    """What is told of a model that another version saved, and that the user trusts all the same; empty for any other."""
    other = other_version(path, options) if options.trust_version else None
    if other is None:
        return "read as it is (--trust-version)" if options.trust_version else ""
    return f"WARNING: saved by {other}, served by {other.installed} as --trust-version says: nothing shows that it answers alike"


def other_version(path: Path, options: ServeOptions) -> OtherVersion | None:
    """What saved a pickle or skops file, or one beside it, and is not the installed version; else None.

    A file is taken at the word of its first part. Loading it tells of the others, and refuses them; who trusts the version learns
    of them here.
    """
    files = _storing(path, options)
    first = next((found for f in files if (found := other_version_in(f, installed_version))), None)
    return first or (_other_part(files) if options.trust_version else None)


def _other_part(files: Sequence[Path]) -> OtherVersion | None:
    here = installed_version(SCIKIT_LEARN)
    version = next((version for version in versions_in(files) if version != here), None) if here else None
    return None if version is None else OtherVersion(SCIKIT_LEARN, version, here)


def _of_several(path: Path, options: ServeOptions) -> ArtifactError | None:
    """Where the parts are of several versions: neither an environment nor another installed version would do."""
    several = several_in(_storing(path, options))
    return None if several is None else of_several(str(path), *several)


def _storing(path: Path, options: ServeOptions) -> list[Path]:
    return [f for f in (pickle_in(path), *(options.with_ or ())) if _stores_version(f)]


def _stores_version(path: Path) -> bool:
    """By its name; people give their pickles any name, and where it says nothing, by its first bytes."""
    if path.suffix.lower() in SAVED_WITH_VERSION:
        return path.is_file()
    try:
        return path.is_file() and is_pickle(read_head(path))
    except ArtifactError:  # whoever reads it says so
        return False


def pickle_in(path: Path) -> Path:
    """The file that holds the model: of a model folder of MLflow, the one inside."""
    return read_mlflow(path).data if is_mlflow(path) else path


def _of_other_version(path: Path, options: ServeOptions, error: SetupError) -> ArtifactError | None:
    """What does not load, or answers nothing, because another version saved it, is told so."""
    other = other_version(path, options)
    if other is None:
        return None
    several = _of_several(path, options)
    if several is not None:  # who trusts it has done what could be done
        return None if options.trust_version else several
    return other.unproven(str(path), f"it does not work here: {' '.join(str(error).split())}")


def _notes_of_booster(path: Path, options: ServeOptions, told: str) -> tuple[str, ...]:
    """What is told of a model whose booster another version wrote. Its library says nothing of it, unlike scikit-learn.

    Raises UnprovenVersion where nothing is to be `told`, so that it may not be served.
    """
    others = (other_booster_in(f, installed_version) for f in _storing(path, options))
    other = next(filter(None, others), None)
    if other is not None and not told:
        raise _of_several(path, options) or other.unproven(str(path), "nothing shows that its answers are the same")
    return () if other is None else (told,)


def installed_version(library: str) -> str:
    """The version of a library that is installed; empty where none is."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(library)
    except PackageNotFoundError:
        return ""


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

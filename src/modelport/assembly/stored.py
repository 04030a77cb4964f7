"""What a model file tells without running anything of it, and the signature that it would be served with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelport.artifacts.pickles.outline import Named, Outline, listed, read_outline
from modelport.artifacts.pickles.stream import needs_library
from modelport.artifacts.pickles.telling import is_pickle
from modelport.assembly.artifacts import load_artifact, read_head
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, SetupError, UnprovenVersion

PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".pck", ".p", ".model", ".gz", ".bin", ".dat", ".save")
_NOT_OURS = ("numpy", "builtins", "scipy", "collections", "copyreg", "copy_reg", "_codecs", "joblib", "pandas")


def describe_stored(path: Path) -> dict[str, Any]:
    """Class, library, version, features, classes and parts of what a pickle holds; `error` where it is none, or damaged."""
    if not _may_be_pickle(path):
        return {}
    try:
        outline = read_outline(path)
    except ArtifactError as error:
        return {"error": str(error)}
    except Exception as error:  # a damaged pickle raises anything
        return {"error": f"{path} is no pickle, or damaged: {type(error).__name__}: {str(error)[:120]}".strip()}
    return {**_described(outline), "joblib": outline.joblib}


def _may_be_pickle(path: Path) -> bool:
    """By its name; people give their pickles any name, and where it says nothing, by its first bytes."""
    if path.is_dir() or path.suffix.lower() in PICKLES:
        return not path.is_dir()
    try:
        return is_pickle(read_head(path))
    except ArtifactError:  # there is nothing to read
        return False


def _described(outline: Outline) -> dict[str, Any]:
    root = outline.root
    if not isinstance(root, Named):
        return {"cls": type(root).__name__, "parts": [], "features": [x for x in listed(root) if isinstance(x, str)]}
    objects = [thing for thing in outline.objects() if not thing.name.startswith(_NOT_OURS) and thing.name]
    if root.name.startswith("numpy") and listed(root):
        return {"cls": root.name, "parts": [], "features": [x for x in listed(root) if isinstance(x, str)]}
    named = [thing.attributes.get("feature_names_in_") for thing in objects[:40]]
    inputs = next((listed(value) for value in named if value is not None), [])
    count = next(
        (thing.attributes.get("n_features_in_") for thing in objects if "n_features_in_" in thing.attributes), None
    )
    versions = [thing.attributes.get("_sklearn_version") for thing in objects]
    return {
        "cls": root.name,
        "library": _library(root.name),
        "version": next((v for v in versions if isinstance(v, str)), ""),
        "features": [name for name in inputs if isinstance(name, str)],
        "count": count if isinstance(count, int) else None,
        "classes": _classes(objects),
        "parts": list(dict.fromkeys(thing.name for thing in objects if thing.name[:1].isalpha()))[:60],
    }


def _classes(objects: list[Named]) -> list[Any]:
    found = next((listed(o.attributes["classes_"]) for o in objects if "classes_" in o.attributes), [])
    return [value for value in found if isinstance(value, (str, int, float, bool))]


def _library(name: str) -> str:
    return {"sklearn": "scikit-learn"}.get(name.partition(".")[0], name.partition(".")[0])


def served_signature(path: Path) -> dict[str, Any]:
    """Fields in the model's order, task and classes as Modelport would serve the file; `refused` with the reason where it cannot.

    Pickles are read through the allow-list, so no code of theirs runs.
    """
    try:
        model, _ = load_artifact(path, ServeOptions(), other_version="read to learn its inputs")
    except UnprovenVersion as error:
        return {"refused": error.differs}
    except SetupError as error:
        return {"refused": str(error)}
    signature = model.signature
    return {
        "task": str(signature.task),
        "fields": [(f.name, str(f.kind)) for f in signature.inputs],
        "classes": [c for output in signature.outputs[:1] for c in output.classes],
        "outputs": len(signature.outputs),
        "probabilities": any(output.probabilities for output in signature.outputs),
    }


def unpackers_of(paths: Iterable[Path]) -> tuple[str, ...]:
    """The packages that unpack these files of a model, beside what Python brings along."""
    packed = [path for path in paths if path.is_file() and needs_library(read_head(path))]
    return ("lz4",) if packed else ()

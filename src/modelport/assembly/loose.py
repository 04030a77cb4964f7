"""Folders as people keep them: a model, its scaler, its columns and whatever else, in files without any order."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from modelport.artifacts.pickles.outline import Named, Outline, listed, read_outline
from modelport.artifacts.pickles.saved_by import shown
from modelport.artifacts.pickles.telling import is_pickle
from modelport.assembly.artifacts import installed_version
from modelport.errors import ArtifactError

MOST_FILES, LARGEST = 60, 256 * 2**20
"""Files that are looked into, and how large each may be."""

_PREPARES = re.compile(
    r"\w*(Scaler|Encoder|Vectorizer|Transformer|Imputer|Binarizer|Discretizer|Hasher|Selector|PCA|SVD|Normalizer|NMF|"
    r"Features|FeatureUnion|FastICA|SelectKBest|SelectPercentile|SelectFromModel|RFE|RFECV|VarianceThreshold|Projection)"
)
_SUFFIXES = frozenset({".joblib", ".pkl", ".pickle", ".sav"})
_LISTS = frozenset({"list", "Index", "tuple", "ndarray"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with what it holds: `kind` is model, helper (what stands before or behind one) or other; `version` is that of the
    scikit-learn that saved it."""

    path: Path
    kind: str
    holds: str
    version: str = ""


def pieces_of(folder: Path) -> list[Piece]:
    """The pickles that lie in a folder, read without running anything of them."""
    files = sorted(path for path in islice(folder.iterdir(), 2000) if path.is_file())
    return [_piece(path) for path in [path for path in files if _may_hold(path)][:MOST_FILES]]


def describe_loose(folder: Path) -> str | None:
    """What a folder of pickles holds and the command that serves it, as the end of a sentence; None where there are none."""
    pieces = pieces_of(folder)
    if not pieces:
        return None
    models = [piece for piece in pieces if piece.kind == "model"]
    helpers = [piece for piece in pieces if piece.kind == "helper"]
    listing = ", ".join(f"{piece.path.name} ({piece.holds})" for piece in pieces[:8]) + _told_of_versions(pieces)
    if len(models) != 1:
        way = "none of them is told to be a model: name the file" if not models else "name the one to serve"
        return f"is a folder of files: {listing}; {way}, as in  {_command((models or pieces)[0], helpers)}"
    return f"is a folder of files: {listing}; run  {_command(models[0], helpers)}"


def _told_of_versions(pieces: list[Piece]) -> str:
    """Where they are others than the installed one."""
    versions, here = sorted({piece.version for piece in pieces if piece.version}), installed_version("scikit-learn")
    if not set(versions) - {here}:
        return ""
    return f", saved by scikit-learn {' and '.join(versions)}, here is {here or 'none'}"


def _command(model: Piece, helpers: list[Piece]) -> str:
    beside = "".join(f" --with {shlex.quote(str(piece.path))}" for piece in helpers if piece is not model)
    return f"modelport serve {shlex.quote(str(model.path))}{beside}"


def _may_hold(path: Path) -> bool:
    if path.name.startswith(".") or not 0 < path.stat().st_size <= LARGEST:
        return False
    with path.open("rb") as file:
        return path.suffix.lower() in _SUFFIXES or is_pickle(file.read(4096))


def _piece(path: Path) -> Piece:
    try:
        outline = read_outline(path)
    except ArtifactError as error:
        return Piece(path, "other", f"cannot be read: {error}")
    except Exception as error:  # a damaged pickle raises anything
        return Piece(path, "other", f"cannot be read: {type(error).__name__}")
    root, version = outline.root, _version_in(outline)
    name = root.name.rpartition(".")[2] if isinstance(root, Named) else type(root).__name__
    if name in ("_reconstruct", "NumpyArrayWrapper", "_new_Index", "_frombuffer"):
        name = "ndarray"
    if name in _LISTS:
        texts = [item for item in listed(root) if isinstance(item, str)]
        return Piece(path, "helper" if texts else "other", f"{len(texts)} texts" if texts else f"a {name}")
    if name == "dict":
        return Piece(path, "other", "a dict")
    kind = "helper" if _PREPARES.fullmatch(name) else "model" if isinstance(root, Named) else "other"
    return Piece(path, kind, name, version)


def _version_in(outline: Outline) -> str:
    told = (thing.attributes.get("_sklearn_version") for thing in outline.objects())
    return shown(next((version for version in told if isinstance(version, str)), ""))

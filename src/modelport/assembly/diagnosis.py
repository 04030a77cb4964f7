"""What a model file that another version saved tells without being run: what it needs, whether it is safe, what will go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelport.artifacts.pickles.allowed import resolve
from modelport.artifacts.pickles.outline import Named, Outline, read_outline
from modelport.artifacts.pickles.permit import Refused
from modelport.assembly.artifacts import installed_version, load_artifact, pickle_in
from modelport.assembly.native import cache_folder, read_stored
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, SetupError, UnprovenVersion, UntrustedPickle
from modelport.native.environments import find
from modelport.native.interpreters import find_interpreters
from modelport.native.versions import Need, needed

MOST_NAMED = 5


def diagnose(path: Path, options: ServeOptions) -> dict[str, Any]:
    """Of a pickle or joblib file, in words. Raises ArtifactError for what is none, or damaged."""
    outline = _read(path)
    stored = read_stored(path)
    version = stored.versions.get("scikit-learn", "a version that it does not name")
    refused = _refused(outline)
    return {
        "artifact": str(path),
        "kind": _kind(outline),
        "saved_by": f"scikit-learn {version}",
        "installed": f"scikit-learn {installed_version('scikit-learn') or 'none'}",
        **_told_of_need(path, options),
        "safe": f"no: it names {', '.join(refused[:MOST_NAMED])}" if refused else f"yes: {_counted(outline)}",
        "goes_wrong": "nothing of it is run, so this is not known" if refused else _goes_wrong(path, options),
    }


def _read(path: Path) -> Outline:
    try:
        return read_outline(pickle_in(path))
    except ArtifactError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise ArtifactError(f"{path} is no pickle, or damaged: {type(error).__name__}: {str(error)[:120]}") from None


def _kind(outline: Outline) -> str:
    what = outline.root.name if isinstance(outline.root, Named) else type(outline.root).__name__
    return f"{'joblib file' if outline.joblib else 'pickle'} of a {what}"


def _refused(outline: Outline) -> list[str]:
    """What is not on the allow-list, whatever version has it."""
    found = []
    for module, name in sorted(outline.names):
        try:
            resolve(module, name)
        except Refused as refused:
            found.append(refused.name)
        except Exception:  # it is on the list, and the installed version does not have it
            continue
    return found


def _counted(outline: Outline) -> str:
    return f"all {len(outline.names)} classes and functions that it names are on the allow-list; no code of it runs"


def _goes_wrong(path: Path, options: ServeOptions) -> str:
    """What the installed version makes of it, read through the allow-list."""
    try:
        load_artifact(path, options, other_version="asked by inspect")
    except UntrustedPickle as error:
        return str(error)
    except UnprovenVersion as error:
        return error.differs
    except SetupError as error:
        return str(error)
    return "it loads, and answers its own example; whether as it did before, nothing has shown"


def _told_of_need(path: Path, options: ServeOptions) -> dict[str, Any]:
    """The environment, and what serving will do about it."""
    try:
        need = needed(read_stored(path))
    except ArtifactError as error:
        return {"needs": str(error), "serving": "is refused: the version that saved it cannot be asked"}
    return {"needs": f"{need}; Python {' or '.join(need.pythons)}", "serving": _told_of_serving(path, need, options)}


def _told_of_serving(path: Path, need: Need, options: ServeOptions) -> str:
    first = need.requirements[0]
    then = "holds the answers of this version against it, once, and serves the first way that agrees on every row"
    if find(need, cache_folder(options)) is not None:
        return f"uses the environment of {first} that is there, {then}"
    try:
        version, _ = find_interpreters(need.pythons)[0]
    except ArtifactError as error:
        return f"is refused: {error}"
    return f"installs {first} for Python {version} in an environment of its own, {then}"

"""What a model file that another version saved tells without being run: what it needs, whether it is safe, what will go wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from modelport.artifacts.loaders.skops import trusted_types
from modelport.artifacts.pickles.allowed import resolve
from modelport.artifacts.pickles.outline import Named, Outline, listed, read_outline
from modelport.artifacts.pickles.permit import Refused
from modelport.artifacts.pickles.saved_by import shown
from modelport.artifacts.pickles.stream import packing_of
from modelport.artifacts.pickles.telling import is_pickle
from modelport.assembly.artifacts import installed_version, load_artifact, pickle_in, read_head
from modelport.assembly.native import cache_folder, objects_in, read_stored
from modelport.assembly.origins import SCIKIT_LEARN, untold_in
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, SetupError, UnprovenVersion, UntrustedPickle
from modelport.native import offline
from modelport.native.environments import find
from modelport.native.interpreters import find_interpreters
from modelport.native.kinds import kinds_of
from modelport.native.repairs import modules
from modelport.native.ties import objections
from modelport.native.versions import Need, StoredVersions, needed

MOST_NAMED, MOST_LISTED, MOST_CHARACTERS = 5, 12, 100
REQUIREMENTS = "requirements.txt"
_PINNED = re.compile(r"^\s*(?:scikit-learn|sklearn)\b(?:\[[^\]]*\])?[ \t]*([=<>~!][^\s;#]*)?", re.I | re.M)


def diagnose(path: Path, options: ServeOptions) -> dict[str, Any]:
    """Of a pickle, joblib or skops file, in words. Raises ArtifactError for what is none, or damaged."""
    outline = _read(path)
    stored = read_stored(path, options.with_ or ())
    version = shown(stored.versions.get("scikit-learn", "a version that it does not name"))
    installed = installed_version("scikit-learn")
    refused = _refused(pickle_in(path), outline)
    return {
        "artifact": str(path),
        "kind": _kind(outline, pickle_in(path)),
        "saved_by": _told_of_saver(stored, path),
        "installed": ", ".join(f"{name} {installed_version(name) or 'none'}" for name in _libraries(stored)),
        "inputs": _told_of_inputs(outline),
        **_told_of_arrays(outline),
        **(_told_of_requirements(path, version) if "scikit-learn" in stored.versions else {}),
        **_told_of_need(outline, stored, options, refused),
        **({} if refused or options.with_ or outline.missing else _told_of_table(outline, path, version, installed)),
        "safe": _told_of_safety(outline, refused),
        "goes_wrong": "nothing of it is run, so this is not known" if refused else _goes_wrong(path, options),
    }


def tell_pickle(path: Path) -> dict[str, str]:
    """The kind of a pickle, joblib or skops file with what saved it, and whether it is safe. Raises ArtifactError as above."""
    outline = _read(path)
    kind = f"{_kind(outline, path)}, saved by {_told_of_versions(read_stored(path))}"
    return {"kind": kind, "safe": _told_of_safety(outline, _refused(path, outline))}


def tells_no_version(path: Path) -> bool:
    """Whether it is a sound pickle of scikit-learn's from before 0.18, whose files do not say what saved them."""
    try:
        file = pickle_in(path)
        stored = read_stored(path) if file.is_file() and is_pickle(read_head(file)) else StoredVersions()
        untold = "scikit-learn" in stored.needs and "scikit-learn" not in stored.versions
        return untold and not _refused(file, _read(path))
    except ArtifactError:  # whoever loads it says so
        return False


def _libraries(stored: StoredVersions) -> list[str]:
    """scikit-learn, but not of a booster that is the whole model; and those of the boosters."""
    beside = sorted(stored.needs & {"xgboost", "lightgbm", "catboost"})
    alone = beside and not {"scikit-learn"} & (stored.needs | stored.versions.keys())
    return beside if alone else ["scikit-learn", *beside]


def _told_of_saver(stored: StoredVersions, path: Path) -> str:
    return "; ".join([_told_of_versions(stored), *untold_in(pickle_in(path), installed_version)])


def _told_of_versions(stored: StoredVersions) -> str:
    versions = {
        name: shown(stored.versions.get(name, "a version that it does not name")) for name in _libraries(stored)
    }
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _read(path: Path) -> Outline:
    try:
        return read_outline(pickle_in(path))
    except ArtifactError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise ArtifactError(f"{path} is no pickle, or damaged: {type(error).__name__}: {str(error)[:120]}") from None


def _kind(outline: Outline, path: Path) -> str:
    what = outline.root.name if isinstance(outline.root, Named) else type(outline.root).__name__
    form = "skops file" if path.suffix.lower() == ".skops" else "joblib file" if outline.joblib else "pickle"
    packing = packing_of(read_head(path))
    return f"{form}{f' packed with {packing}' if packing else ''} of a {what}"


def _told_of_inputs(outline: Outline) -> str:
    """As far as the file says: releases before 1.0 stored no names, those before 0.24 not even how many there are."""
    named = [thing.attributes.get("feature_names_in_") for thing in outline.objects()]
    names = next((found for value in named if (found := [str(name) for name in listed(value)])), [])
    if names:
        return ", ".join(names[:MOST_LISTED]) + (f", … ({len(names)} in all)" if len(names) > MOST_LISTED else "")
    counts = [thing.attributes.get("n_features_in_") for thing in outline.objects()]
    count = next((value for value in counts if isinstance(value, int)), None)
    told = f"{count}, without names" if count else "neither their names nor their number is stored"
    return f"{told}; name them with --features a,b,c  or give the training data with --data"


def _told_of_arrays(outline: Outline) -> dict[str, str]:
    """Of the files that joblib before 0.10 wrote beside a model, one for each array; of others nothing."""
    names = sorted(name[:MOST_CHARACTERS] for name in outline.beside)
    if not names:
        return {}
    span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    state = "; ".join(outline.missing[:MOST_NAMED]) or "all there"
    return {"arrays": f"{len(names)} in files beside it: {span}, {state}"}


def _refused(path: Path, outline: Outline) -> list[str]:
    """What is not on the allow-list, whatever version has it."""
    if path.suffix.lower() == ".skops":
        return _untrusted(path)
    found = []
    for module, name in sorted(outline.names):
        moved = modules.find(module, name)
        if moved is not None and not isinstance(moved.instead, tuple):  # something of ours takes its place
            continue
        try:
            resolve(*(moved.instead if moved is not None else (module, name)))
        except Refused as refused:
            found.append(refused.name)
        except Exception:  # it is on the list, and the installed version does not have it
            continue
    return found


def _untrusted(path: Path) -> list[str]:
    try:
        trusted_types(path, False)
    except UntrustedPickle as error:
        return [error.name]
    except Exception:  # skops is not there, or cannot read it: what is told of loading says so
        return []
    return []


def _told_of_safety(outline: Outline, refused: list[str]) -> str:
    return f"no: it names {', '.join(refused[:MOST_NAMED])}" if refused else f"yes: {_counted(outline)}"


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


# -- what serving will do ----------------------------------------------------------------------------------------------


def _told_of_need(
    outline: Outline, stored: StoredVersions, options: ServeOptions, refused: list[str]
) -> dict[str, Any]:
    """The environment, and what serving will do about it."""
    if refused:
        return {"serving": "is refused, and nothing is installed for it: loading it could run code"}
    try:
        need = needed(stored)
    except ArtifactError as error:
        return {"needs": str(error), "serving": "is refused: the version that saved it cannot be asked"}
    then = _told_of_ways(outline, stored, options)
    serving = f"is refused: {outline.missing[0]}" if outline.missing else _told_of_serving(need, options, then)
    return {"needs": f"{need}; Python {' or '.join(need.pythons)}", "serving": serving}


def _told_of_ways(outline: Outline, stored: StoredVersions, options: ServeOptions) -> str:
    """What is done in the environment."""
    beside = [thing for path in options.with_ or () for thing in objects_in(path)]
    kinds, _ = kinds_of([*outline.objects(), *beside])
    saved, installed = stored.versions.get(SCIKIT_LEARN), installed_version(SCIKIT_LEARN)
    tied = next(objections(kinds, saved, installed, asked=True), "") if saved and installed else ""
    if tied:
        return f"and lets it answer itself, whatever this version would: {tied}"
    return "holds the answers of this version against it, once, and serves the first way that agrees on every row"


def _told_of_serving(need: Need, options: ServeOptions, then: str) -> str:
    first = need.requirements[0]
    try:
        if find(need, cache_folder(options)) is not None:
            return f"uses the environment of {first} that is there, {then}"
        version, _ = find_interpreters(need.pythons)[0]
    except ArtifactError as error:
        return f"is refused: {error}"
    return f"installs {first} for Python {version} in an environment of its own, {then}"


def _told_of_table(outline: Outline, path: Path, version: str, installed: str) -> dict[str, str]:
    """What happens where no environment can be had."""
    judgement = offline.judge(
        outline.objects(), version, installed, mendable=pickle_in(path).suffix.lower() != ".skops"
    )
    if judgement.way == offline.REFUSED:
        return {"offline": f"without a network it is refused: {judgement.reason}"}
    how = "after repairs" if judgement.way == offline.REPAIRED else "as it is"
    return {"offline": f"without a network it is served {how}, since models of its kind were compared and answer alike"}


# -- what lies beside it -----------------------------------------------------------------------------------------------


def _told_of_requirements(path: Path, version: str) -> dict[str, str]:
    """What people take for the version that saved a model, and often is not."""
    said = _pinned(path.parent / REQUIREMENTS)
    if said is None or said == f"=={version}":
        return {}
    told = f"says scikit-learn{said}" if said else "names scikit-learn without a version"
    return {"beside": f"{REQUIREMENTS} {told}; what saved it is told by the file itself, and that counts: {version}"}


def _pinned(path: Path) -> str | None:
    """What a list of requirements says of scikit-learn's version; None where it names none. Windows writes UTF-16."""
    try:
        raw = path.read_bytes()[:1_000_000]
    except OSError:
        return None
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:200]
    match = _PINNED.search(raw.decode("utf-16" if wide else "utf-8-sig", "replace"))
    return None if match is None else match[1] or ""

"""A model in the environment that saved it, as one of ours: its signature and its answers, worked out there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.pickles.boosters import booster_versions, told_versions
from modelport.artifacts.pickles.loading import unpacked_apart
from modelport.artifacts.pickles.outline import Named, read_outline
from modelport.artifacts.pickles.saved_by import shown
from modelport.assembly.artifacts import load_artifact, pickle_in
from modelport.assembly.origins import SCIKIT_LEARN, of_several
from modelport.compilation.cache import default_folder
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from modelport.kernel.ports import Model
from modelport.kernel.signature import Field
from modelport.native.environments import Environment, find
from modelport.native.process import ForeignProcess, Shadow
from modelport.native.proofs import Proof, saved_with
from modelport.native.versions import StoredVersions
from modelport.native.widths import names_of, width_of

_INSTALLED_AS = {
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "pandas": "pandas",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "imblearn": "imbalanced-learn",
}


def cache_folder(options: ServeOptions) -> Path:
    """Where environments and proofs are kept."""
    return options.cache_dir or default_folder()


def read_stored(path: Path, beside: Sequence[Path] = ()) -> StoredVersions:
    """The libraries that a model needs, and the versions that it stores; nothing of it is run. `beside` are its other files.

    Raises ArtifactError for what is damaged, and where its parts were saved by several versions.
    """
    objects = [thing for file in (pickle_in(path), *beside) for thing in objects_in(file)]
    told = {str(v) for o in objects if (v := o.attributes.get("_sklearn_version")) is not None}
    if len(told) > 1:
        raise of_several(str(path), SCIKIT_LEARN, map(shown, told))
    for library, written in told_versions(objects).items():
        if len(written) > 1:
            raise of_several(str(path), library, map(shown, written))
    versions = {"scikit-learn": told.pop()} if told else {}
    skops = {"skops"} if any(file.suffix.lower() == ".skops" for file in (pickle_in(path), *beside)) else set()
    return StoredVersions({**versions, **booster_versions(objects)}, frozenset(_libraries(objects) | skops))


def objects_in(path: Path) -> list[Named]:
    """What a file names and makes, which is nothing where it is JSON. Raises ArtifactError for a damaged one."""
    if path.suffix.lower() == ".json":
        return []
    try:
        return list(read_outline(path).objects())
    except ArtifactError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise ArtifactError(f"{path} is no pickle, or damaged: {type(error).__name__}: {str(error)[:120]}") from None


def _libraries(objects: list[Named]) -> set[str]:
    roots = {thing.name.partition(".")[0] for thing in objects}
    return {_INSTALLED_AS[root] for root in roots & _INSTALLED_AS.keys()}


def load_native(
    path: Path,
    options: ServeOptions,
    environment: Environment,
    told: str,
    known: tuple[Field, ...] = (),
    late: bool = False,
) -> tuple[Model, tuple[str, ...]]:
    """The model, answering from the environment. Raises SetupError where it does not load there, either.

    `known` are its inputs where it was asked before: then it is only served, and need not tell of all that it holds. `late`: some
    libraries are imported when they are used.
    """
    process = ForeignProcess(environment, not known, late, unpacked_apart)

    def read(file: Path) -> Any:
        return _with_inputs(process.load(file), len(known) if file == path else 0)

    try:
        return load_artifact(path, options, read=read, other_version=told)
    except BaseException:
        process.close()
        raise


def _with_inputs(thing: Any, known: int) -> Any:
    """With what releases before 0.24 did not store: the number of inputs, if it is not `known`, and their names."""
    if not isinstance(thing, Shadow):
        return thing
    attributes = vars(thing)
    if "feature_names_in_" not in attributes and (names := names_of(thing)):
        attributes["feature_names_in_"] = np.array(names, dtype=object)
    if "n_features_in_" not in attributes and (width := known or len(names_of(thing)) or width_of(thing)):
        attributes["n_features_in_"] = width
    return thing


def open_native(path: Path, options: ServeOptions, proof: Proof) -> tuple[Model, tuple[str, ...]]:
    """The same at a later start, which builds nothing. Raises ArtifactError where the environment is not there any more."""
    environment = find(proof.need, cache_folder(options))
    if environment is None:
        raise ArtifactError(
            f"{path} is served by {saved_with(proof.stored, proof.beside)} in an environment of its own, and that is not in "
            f"{cache_folder(options)}: run  modelport rescue {path}  which builds it"
        )
    return load_native(path, options, environment, str(proof), proof.inputs, proof.late)


def boosters_in(stored: StoredVersions, environment: Environment) -> str:
    """The boosters of a model with the versions that answer there, in words; empty where it has none."""
    names = [n for n in sorted(stored.needs) if n in ("xgboost", "lightgbm", "catboost")]
    versions = {name: environment.versions.get(name) or stored.versions.get(name, "") for name in names}
    return ", ".join(f"{name} {version}".strip() for name, version in versions.items())


def told_of_environment(environment: Environment) -> dict[str, Any]:
    """What a report says of an environment."""
    return {"versions": environment.versions, "digest": environment.digest, "bytes": environment.size}

"""What is shipped: a bundle, or a service in Python with the list of what it needs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from modelport.assembly import read_bundle
from modelport.config import is_python
from modelport.deploy.requirements import Pin, close_over, named_in, read_requirements
from modelport.errors import ArtifactError, ConfigError

LONGEST_NAME = 40
COMPILED_NEEDS = ("modelport[onnx]",)
EXTRAS = {
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "skops",
    ".onnx": "onnx",
    ".ubj": "xgboost",
    ".json": "xgboost",
    ".bst": "xgboost",
    ".txt": "lightgbm",
    ".cbm": "catboost",
    ".pt": "torch",
    ".pt2": "torch",
}
"""Which extra reads an original, by the end of its name."""
TRAINERS = {"xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost"}
LEFT_OUT_ANYWHERE = (".*", "__pycache__", "*.pyc", "*.ipynb")
LEFT_OUT_AT_THE_TOP = ("Dockerfile*", "compose.yaml", "build", "dist", "tests", "venv", "kubernetes", "*.service")
WRITTEN = ("requirements.lock", "sbom.cdx.json", "wheels")
"""What of a service's folder has no place in its image, or is there for building it alone."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to ship."""

    name: str
    folder: Path
    target: str
    """What `modelport serve` is given, relative to the image's /srv."""
    python: str
    """The version of Python that it is known to work with."""
    pins: tuple[Pin, ...]
    version: str
    compiled: bool
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def is_service(self) -> bool:
        """Whether it is a service in Python."""
        return is_python(self.target)


def read_subject(source: str, name: str | None = None, requirements: Path | None = None) -> Subject:
    """Find out what is to be shipped. Raises SetupError with what is missing and how it is had."""
    if is_python(source):
        return _service(source, name, requirements)
    path = Path(source)
    if not path.exists():
        raise ArtifactError(f"{source} does not exist")
    if not path.is_dir():
        raise ArtifactError(
            f"{source} is a single file; what is shipped is a bundle, which holds the proof that its answers are right: "
            f"modelport build {source} -o {path.stem}.bundle"
        )
    return _bundle(path, name, requirements)


def _bundle(path: Path, name: str | None, requirements: Path | None) -> Subject:
    bundle = read_bundle(path)
    manifest = bundle.manifest
    needs = named_in(requirements) if requirements else _needs_of(manifest.original, manifest.compiled, manifest)
    recorded = dict(manifest.environment) | ({"onnxruntime": manifest.runtime} if manifest.runtime else {})
    return Subject(
        name=_named(name, manifest.name),
        folder=path.resolve().parent,
        target=path.resolve().name,
        python=manifest.environment.get("python", platform.python_version()),
        pins=close_over(needs, recorded),
        version=bundle.version[:12],
        compiled=manifest.compiled,
        labels={"modelport.bundle.sha256": bundle.version, "modelport.model.name": manifest.name},
    )


def _needs_of(original: str, compiled: bool, manifest: object) -> tuple[str, ...]:
    """A compiled model needs the runtime alone; an original the library that it was saved with."""
    if compiled:
        return COMPILED_NEEDS
    extra = EXTRAS.get(Path(original).suffix)
    if extra is None:
        raise ConfigError(f"what reads {original} is not known; name it in a file: --requirements requirements.txt")
    recorded = getattr(manifest, "environment", {})
    trainers = [TRAINERS[library] for library in TRAINERS if extra == "sklearn" and library in recorded]
    return (f"modelport[{','.join([extra, *trainers])}]",)


def _service(source: str, name: str | None, requirements: Path | None) -> Subject:
    file, _, attribute = source.partition(":")
    path = Path(file)
    if path.suffix != ".py":
        raise ConfigError(f"{source} names a module; ship the file that it is in, as in app.py or app.py:service")
    if not path.is_file():
        raise ArtifactError(f"{file} does not exist")
    listed = requirements or path.parent / "requirements.txt"
    if not listed.is_file():
        raise ConfigError(
            f"what {file} needs is not known: write it into {path.parent / 'requirements.txt'}, one package a line, "
            "or name the file with --requirements"
        )
    digest = _digest(path.resolve().parent)
    return Subject(
        name=_named(name, path.resolve().parent.name or path.stem),
        folder=path.resolve().parent,
        target=path.name + (f":{attribute}" if attribute else ""),
        python=platform.python_version(),
        pins=read_requirements(listed),
        version=digest[:12],
        compiled=False,
        labels={"modelport.service.sha256": digest},
    )


def _named(said: str | None, found: str) -> str:
    """A name that an image and Kubernetes objects can have: RFC 1123, with room for what is appended.

    What a model or a folder is called is made one; what the user says has to be one, since it is what they will look for.
    """
    name = said if said is not None else found
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME].strip("-")
    usable = bool(plain) and plain[0].isalpha()
    if said is None and usable:
        return plain
    if not usable or plain != said:
        proposal = plain if usable else "model"
        raise ConfigError(
            f"{name[:80]!r} cannot name an image and Kubernetes objects: at most {LONGEST_NAME} lower-case letters, digits and "
            f"dashes, a letter first, as in  --name {proposal}"
        )
    return plain


def _digest(folder: Path) -> str:
    """Of everything of a service that goes into its image: the same tag must never mean another code, or another model."""
    digest = hashlib.sha256()
    for path in sorted(_shipped_files(folder)):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _shipped_files(folder: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(folder):
        place = Path(current)
        top = place == folder
        folders[:] = [name for name in folders if not _left_out(name, top)]
        yield from (place / name for name in files if not _left_out(name, top) and (place / name).is_file())


def _left_out(name: str, top: bool) -> bool:
    """By the same rules as `.dockerignore`; what `ship` itself writes is no part of the service, either."""
    anywhere = any(fnmatch(name, pattern) for pattern in LEFT_OUT_ANYWHERE)
    return anywhere or (top and any(fnmatch(name, pattern) for pattern in (*LEFT_OUT_AT_THE_TOP, *WRITTEN)))

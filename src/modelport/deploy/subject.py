"""What is shipped: a bundle, or a service in Python with the list of what it needs."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from modelport.assembly import Bundle, find_loader, read_bundle
from modelport.assembly.artifacts import other_version, pickle_in
from modelport.assembly.stored import describe_stored, unpackers_of
from modelport.config import ServeOptions, is_python
from modelport.deploy.requirements import Pin, canonical, close_over, named_in, needed_by, read_requirements
from modelport.errors import ArtifactError, ConfigError

LONGEST_NAME = 40
COMPILED_NEEDS = ("modelport[onnx]",)
LIBRARIES = {
    "sklearn": ("scikit-learn", "joblib", "pandas"),
    "skops": ("scikit-learn", "joblib", "pandas", "skops"),
    "onnx": ("onnxruntime",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "torch": ("torch",),
}
"""What reads an original, by the kind that its content tells; what compiles it is not needed where it serves as it is."""
TRAINERS = ("xgboost", "lightgbm", "catboost")
"""Libraries whose models lie in pickles, too, for those that do not tell whose they are."""
NETWORK = ", and of a network the ONNX file that serves, so that the image needs no TensorFlow"
ODD = re.compile(r"[$*?\[\]\\\"'!#\x00-\x1f]|^-")
"""What means something else in a Dockerfile or its list of what is left out, or begins an option."""
MANIFEST = "manifest.json"
"""What a folder is a bundle by."""
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
    if not (path / MANIFEST).is_file():
        raise _refusal(source, path)
    return _bundle(path, name, requirements)


def _refusal(source: str, path: Path) -> ArtifactError:
    """The command that makes a bundle of a model; of what is no model, or is not read here, why it is not."""
    try:
        kind = find_loader(path).extra
    except ArtifactError as error:
        return ArtifactError(f"{source} is no bundle; {error}") if path.is_dir() else error
    command = "rescue" if other_version(path, ServeOptions()) else "build"
    return ArtifactError(
        f"{source} is a model as it was saved; what is shipped is a bundle, which holds the proof that its answers are right"
        f"{NETWORK if kind == 'keras' else ''}: modelport {command} {source} -o {path.stem}.bundle"
    )


def _bundle(path: Path, name: str | None, requirements: Path | None) -> Subject:
    bundle = read_bundle(path)
    manifest = bundle.manifest
    needs = named_in(requirements) if requirements else _needs_of(bundle)
    recorded = dict(manifest.environment) | ({"onnxruntime": manifest.runtime} if manifest.runtime else {})
    return Subject(
        name=_named(name, manifest.name),
        folder=path.resolve().parent,
        target=path.resolve().name,
        python=manifest.environment.get("python", platform.python_version()),
        pins=close_over(needs, recorded) if requirements else _used(close_over(needs, recorded)),
        version=bundle.version[:12],
        compiled=manifest.compiled,
        labels={"modelport.bundle.sha256": bundle.version, "modelport.model.name": manifest.name},
    )


def _used(pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    """XGBoost asks for half a gigabyte with which several GPUs train together, and loads it for that alone."""
    return tuple(
        pin for pin in pins if not (pin.name.startswith("nvidia-nccl") and needed_by(pin.name, pins) == ("xgboost",))
    )


def _needs_of(bundle: Bundle) -> tuple[str, ...]:
    """A compiled model needs the runtime alone; an original the library that it was saved with."""
    if bundle.manifest.compiled:
        return COMPILED_NEEDS
    if bundle.manifest.proof.get("way") == "native":
        raise ConfigError(
            f"{bundle.path} is answered by the environment of the version that saved it, which is made where it is served, and an "
            "image cannot make one: train the model anew, or serve it where it was built"
        )
    told = describe_stored(bundle.original)
    libraries = _libraries_of(bundle.original)
    if libraries is None:
        raise ConfigError(
            f"what reads {bundle.manifest.original} is not known; name modelport and what it needs, one package a line, in a file: "
            "--requirements requirements.txt"
        )
    others = _others_in(bundle, told) if "scikit-learn" in libraries else ()
    unpackers = unpackers_of([bundle.original, *(bundle.path / name for name in bundle.manifest.helpers)])
    return tuple(dict.fromkeys(("modelport", *libraries, *others, *unpackers)))


def _libraries_of(original: Path) -> tuple[str, ...] | None:
    """What reads an original, told by its content: endings like `.bst` mean several things. None where that is not known."""
    try:
        kind = find_loader(original).extra
        if kind == "keras":
            raise ConfigError(
                f"{original} holds a network as it was saved, which TensorFlow would have to convert in the image; build it anew, "
                "and the bundle has the ONNX file instead"
            )
        if kind != "mlflow":
            return LIBRARIES.get(kind)
        inside = LIBRARIES.get(find_loader(pickle_in(original)).extra)
    except ArtifactError:  # it is not read here either
        return None
    return inside and (*inside, "pyyaml")


def _others_in(bundle: Bundle, told: Mapping[str, Any]) -> tuple[str, ...]:
    """Packages whose classes the original names, or its code imports; where it does not tell, all trainers that were there."""
    if "cls" not in told:
        return tuple(library for library in TRAINERS if library in bundle.manifest.environment)
    files = [bundle.path / name for name in bundle.manifest.code]
    modules = {name.partition(".")[0] for name in (told["cls"], *told["parts"])}.union(*map(_imported, files))
    found = packages_distributions()
    return tuple(sorted({canonical(package) for module in modules for package in found.get(module, ())}))


def _imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names}


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


def left_out_of(folder: Path) -> tuple[str, ...]:
    """What has no place in an image, by its name at the top of a service's folder. Nor have virtual environments of any name."""
    environments = (path.parent.name for path in folder.glob("*/pyvenv.cfg"))
    return tuple(dict.fromkeys((*LEFT_OUT_AT_THE_TOP, *sorted(environments))))


def check_image(subject: Subject) -> None:
    """Raise ConfigError for what an image would have otherwise: names that a Dockerfile reads its own way, links to elsewhere."""
    if found := ODD.search(subject.target):
        raise ConfigError(
            f"{subject.target!r} cannot be named in a Dockerfile, because of {found[0]!r}: rename it; a bundle is served "
            "by the name in it, whatever its folder is called"
        )
    if subject.is_service:
        for path in _walk(subject.folder):
            if path.is_symlink() and _leads_out(path, subject.folder):
                raise ConfigError(
                    f"{path} is a link to {os.readlink(path)}, and an image takes the link along, not what it leads to: "
                    "copy that, or link to it by a relative path within the folder"
                )


def _leads_out(link: Path, folder: Path) -> bool:
    return os.path.isabs(os.readlink(link)) or not link.resolve().is_relative_to(folder)


def _shipped_files(folder: Path) -> Iterator[Path]:
    return (path for path in _walk(folder) if path.is_file())


def _walk(folder: Path) -> Iterator[Path]:
    """All that goes into the image; links to folders are not followed, as they are not there."""
    at_the_top = left_out_of(folder)
    for current, folders, files in os.walk(folder):
        place = Path(current)
        unwanted = (*at_the_top, *WRITTEN) if place == folder else ()
        folders[:] = [name for name in folders if not _left_out(name, unwanted)]
        yield from (place / name for name in (*files, *folders) if not _left_out(name, unwanted))


def _left_out(name: str, unwanted: tuple[str, ...]) -> bool:
    """By the same rules as `.dockerignore`; what `ship` itself writes is no part of the service, either."""
    return any(fnmatch(name, pattern) for pattern in (*LEFT_OUT_ANYWHERE, *unwanted))

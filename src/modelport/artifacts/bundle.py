"""The bundle: one immutable folder with a model, its compiled form, and all that is needed to know that both are what they were.

    genre.bundle/
      manifest.json          format, name, signature, environment, and the SHA-256 of every other file
      original/genre.joblib  as it was saved, with the TOML file beside it if there was one
      original/with/1/…      the other files of the model, in their order
      code/                  source of classes that were defined in a notebook; absent where the model needs none
      compiled/              model.onnx and compiled.json, where the model could be compiled
      report.md              how a model of another version was shown to answer as it did there; absent for others
      golden.json            records with the answers that the original gave, replayed before it is ready
      profile.json           what the training data looked like, column by column
      measured.json          times and memory, which differ from build to build; no digest, as they are not what it is
      model.sig              the signature, where it was signed: of every file but itself

The version of a bundle is the digest of its manifest. The format is described in docs/reference/bundle.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from modelport.artifacts.companions import companions
from modelport.errors import ArtifactError
from modelport.kernel.names import RULE, is_name, suggest_name
from modelport.kernel.signature import Signature

FORMAT = 1
MANIFEST, GOLDEN, PROFILE, MEASURED = "manifest.json", "golden.json", "profile.json", "measured.json"
REPORT = "report.md"
SIGNATURE = "model.sig"
UNLISTED = frozenset({MANIFEST, MEASURED, SIGNATURE})
"""What the manifest does not list."""

ORIGINAL, COMPILED, HELPERS, CODE = "original", "compiled", "with", "code"
Content = TypeVar("Content")

LARGEST_MANIFEST = 64 * 2**20


@dataclass(frozen=True, slots=True)
class BundledFile:
    """What a file of the bundle must be."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself. Paths are relative, with forward slashes."""

    format: int
    name: str
    built_by: str
    original: str
    signature: Signature
    files: dict[str, BundledFile]
    compiled: bool = False
    not_compiled_because: str = ""
    runtime: str = ""
    """The version of ONNX Runtime with which the compiled form was proven."""
    target: str | None = None
    features: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    """The other files that the model was put together from, in their order."""
    code: tuple[str, ...] = ()
    """Source files that are imported when the original is loaded."""
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    """How it is known that a model of another version answers as it did there, or `trusted` where that is not known; empty for
    one of the version that built it."""


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A record in the signature's order, and what the original answered."""

    record: tuple[Any, ...]
    answer: Any


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read. Its files are checked by `check_files`, not before."""

    path: Path
    manifest: Manifest
    version: str

    @property
    def original(self) -> Path:
        """The artifact inside."""
        return self.path / self.manifest.original

    @property
    def compiled(self) -> Path:
        """The folder of the compiled form."""
        return self.path / COMPILED

    def golden(self) -> list[GoldenCase]:
        """The cases to replay. Raises ArtifactError where they cannot be read."""
        return self._read(GOLDEN, list[GoldenCase])

    def profile(self) -> dict[str, Any]:
        """What the training data looked like. Raises ArtifactError where it cannot be read."""
        return self._read(PROFILE, dict[str, Any])

    def _read(self, name: str, kind: type[Content]) -> Content:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except OSError as error:
            raise ArtifactError(f"{self.path}: {name} cannot be read: {error.strerror or error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{self.path}: {name} is damaged: {error}; build the bundle anew") from None

    def measured(self) -> dict[str, Any]:
        """Times and memory; empty where nobody kept them."""
        try:
            measured: dict[str, Any] = msgspec.json.decode((self.path / MEASURED).read_bytes())
        except (OSError, msgspec.DecodeError):
            return {}
        return measured


def is_bundle(path: Path) -> bool:
    """Whether a folder says that it is one."""
    return (path / MANIFEST).is_file()


def is_remnant(path: Path) -> bool:
    """Whether a folder is a bundle but for its manifest."""
    return not is_bundle(path) and ((path / GOLDEN).is_file() or (path / ORIGINAL).is_dir())


def was_built(path: Path) -> bool:
    """Whether a folder is a bundle of whatever format, and no other program's `manifest.json` lies there."""
    try:
        return msgspec.json.decode((path / MANIFEST).read_bytes(), type=_Builder).built_by.startswith("modelport ")
    except (OSError, msgspec.DecodeError, RecursionError):
        return False


def read_bundle(path: Path) -> Bundle:
    """Read the manifest. Raises ArtifactError where it is damaged, or of a format that this version does not know."""
    try:
        with (path / MANIFEST).open("rb") as file:
            text = file.read(LARGEST_MANIFEST + 1)
        if len(text) > LARGEST_MANIFEST:
            raise ArtifactError(f"{path}/{MANIFEST} is larger than any manifest; it is damaged or forged")
        head = msgspec.json.decode(text, type=_Head)
        if head.format != FORMAT:
            raise ArtifactError(
                f"{path} is a bundle of format {head.format}, this version reads {FORMAT}: build it again"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except OSError as error:
        raise ArtifactError(f"{path} is no bundle: {MANIFEST} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ArtifactError(f"{path}/{MANIFEST} is damaged: {error}") from None
    if not is_name(manifest.name):
        raise ArtifactError(
            f"{path}/{MANIFEST} gives the model the name {manifest.name!r}, but a model wants {RULE}: build it again with "
            f"--name {suggest_name(manifest.name)}"
        )
    for name in (*manifest.files, manifest.original, *manifest.helpers, *manifest.code):
        _refuse_escape(path, name)
    for name in (manifest.original, *manifest.helpers, *manifest.code):
        if not any(file == name or file.startswith(f"{name}/") for file in manifest.files):
            raise ArtifactError(f"{path}/{MANIFEST} does not list its own model {name!r}")
    return Bundle(path, manifest, hashlib.sha256(text).hexdigest())


class _Head(msgspec.Struct):
    format: int


class _Builder(msgspec.Struct):
    format: int
    built_by: str
    original: str


def _refuse_escape(path: Path, name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or ":" in name or any(p in ("..", ".") for p in parts):
        raise ArtifactError(f"{path}/{MANIFEST} names the file {name!r}, which is not inside the bundle")


def check_files(bundle: Bundle) -> None:
    """Hold every file against the manifest. Raises ArtifactError with the name of the first that is not what it was."""
    found = dict(_files(bundle.path))
    for name, wanted in bundle.manifest.files.items():
        file = found.pop(name, None)
        if file is None:
            raise ArtifactError(f"{bundle.path}: {name} is missing")
        size = file.stat().st_size
        if size != wanted.size:
            raise ArtifactError(f"{bundle.path}: {name} has {size:,} bytes, not {wanted.size:,}: it was cut or edited")
        if sha256_of(file) != wanted.sha256:
            raise ArtifactError(f"{bundle.path}: {name} is not what it was when the bundle was built")
    extra = sorted(found.keys() - UNLISTED)
    if extra:
        raise ArtifactError(f"{bundle.path}: {extra[0]} does not belong to the bundle")
    wanted_folders = {str(parent) for name in bundle.manifest.files for parent in PurePosixPath(name).parents}
    empty = sorted(set(_folders(bundle.path)) - wanted_folders)
    if empty:
        raise ArtifactError(f"{bundle.path}: the folder {empty[0]} does not belong to the bundle")


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Every file below, by its name in the manifest. A link would lead who knows where."""
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            here = Path(folder) / name
            relative = here.relative_to(path).as_posix()
            if here.is_symlink():
                raise ArtifactError(f"{path}: {relative} is a link; a bundle holds its files itself")
            if name in files:
                if not here.is_file():
                    raise ArtifactError(f"{path}: {relative} is no plain file")
                yield relative, here


def _folders(path: Path) -> Iterator[str]:
    for folder, folders, _ in os.walk(path):
        yield from ((Path(folder) / name).relative_to(path).as_posix() for name in folders)


def copy_artifact(source: Path, target: Path) -> None:
    """A file with its companions, or a folder that holds its files itself, without empty ones. Raises ArtifactError for links."""
    if source.is_dir():
        for name, file in list(_files(source)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / name)
    else:
        for file in (source, *companions(source)):
            shutil.copyfile(file, target.with_name(target.name + file.name[len(source.name) :]))


def list_files(path: Path) -> dict[str, BundledFile]:
    """What the manifest says of the files that lie in a folder, in the order of their names."""
    listed = {name: BundledFile(sha256_of(file), file.stat().st_size) for name, file in sorted(_files(path))}
    return {name: file for name, file in listed.items() if name not in UNLISTED}


def hash_files(path: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder by its name, but for the signature. Raises ArtifactError for links."""
    return {name: sha256_of(file) for name, file in _files(path) if name != SIGNATURE}


def sha256_of(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(path: Path, manifest: Manifest) -> None:
    """The last file of a bundle that is built: one without it is none."""
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    (path / MANIFEST).write_bytes(text + b"\n")

"""Models of Keras and SavedModels of TensorFlow: converted to ONNX once, where TensorFlow is installed, and served as that."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import modelport
from modelport.artifacts.digest import digest_path
from modelport.artifacts.unread import is_keras
from modelport.assembly.artifacts import find_loader, installed_version
from modelport.compilation.cache import FACTS, MODEL, Cache, Refused, runtime_version, write_about
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UntrustedPickle
from modelport.kernel.ports import Hints, Model

CONVERTERS = ("tensorflow", "tf2onnx", "onnxruntime")
MAKERS = ("tensorflow", "tensorflow-cpu", "keras", "tf_keras", "tf2onnx", "onnx", "h5py", "numpy")
"""Whose versions decide whether what failed is tried again."""
CONVERT_SECONDS = 900
"""That a conversion may take. Large networks take minutes, and it is done once."""
SERVE_ONNX = "convert it where it was trained, and serve the ONNX file (docs/how-to/serve-onnx.md)"


@dataclass(frozen=True, slots=True)
class Converted:
    """The ONNX file, and what is told of how it came about."""

    path: Path
    told: str

    @property
    def note(self) -> str:
        """The same with the place of the file, which is a cache: of what serves from there."""
        return f"{self.told}; the ONNX file is {self.path}"


class KerasLoader:
    """Reads `.h5` and `.keras` files, whatever their names, and SavedModel folders, where their converters are installed."""

    extra = "keras"
    compiled = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its content. Without the converters it is none of ours: what is known of such files says what to install."""
        return is_keras(path, head) and all(find_spec(name) is not None for name in CONVERTERS)

    def load(self, path: Path, hints: Hints) -> Model:
        """Convert it, or take what was converted before, and open that. Raises ArtifactError."""
        from modelport.artifacts.loaders.onnx import OnnxLoader  # and NumPy: workers do without

        made = convert(path, hints.cache_dir, hints.allow_pickle)
        model: Any = OnnxLoader().load(made.path, hints)
        model.signature = replace(model.signature, notes=(*model.signature.notes, made.note))
        return model  # type: ignore[no-any-return]


def convert(path: Path, cache_dir: Path | None, allow_code: bool) -> Converted:
    """The ONNX form of a model, made in a process of its own where there is none yet. It answers the drawn rows as the original.

    What could not be converted is not tried again by the same libraries. Raises UntrustedPickle for what holds code, ArtifactError
    for all else that is not converted.
    """
    cache = Cache(cache_dir)
    parts = ["keras", digest_path(path), str(allow_code), modelport.__version__, runtime_version()]
    key = cache.key(parts)
    with cache.lock(key):  # of all processes that want it at once, one makes it
        folder = cache.compiled(key)
        if folder is None:
            tried = cache.key([*parts, *(f"{name} {installed_version(name)}" for name in MAKERS)])
            _refuse_tried(path, cache, tried, cache_dir)
            folder = _make(path, cache, (key, tried), allow_code)
    return Converted(folder / MODEL, cache.about(folder).notes[0])


def _refuse_tried(path: Path, cache: Cache, key: str, cache_dir: Path | None) -> None:
    """Raise what these libraries failed with, where they have tried it before."""
    place, found = cache.refusal(key), cache.refused(key)
    if place is None or found is None:
        return
    again = f"modelport cache remove {key}" + (f" --cache-dir {shlex.quote(str(cache_dir))}" if cache_dir else "")
    if place.parent != cache.folder:  # the private folder of this user, which that command does not look into
        again = f"rm -r {shlex.quote(str(place))}"
    told = _told_of_failure(path, found.reason)
    raise ArtifactError(f"{told}; this was tried before, and is tried again after  {again}")


def _make(path: Path, cache: Cache, keys: tuple[str, str], allow_code: bool) -> Path:
    """Convert it, and keep it under the first key, or under the second why that failed."""
    try:
        draft = cache.draft()
    except OSError as error:
        raise _unkept(path, error) from None
    try:
        said = _run(path, draft, allow_code)
        if "error" in said:
            _remember(cache, keys[1], said)
            raise _refusal(path, said)
        return _keep(path, cache, keys[0], draft, said)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _keep(path: Path, cache: Cache, key: str, draft: Path, said: dict[str, Any]) -> Path:
    try:
        (draft / FACTS).write_text(json.dumps(said), encoding="utf-8")
        write_about(draft, (_told(said),), 0, 0)
        return cache.keep(draft, key)
    except OSError as error:
        raise _unkept(path, error) from None


def _unkept(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"what is made of {path} cannot be kept: {error}; say --cache-dir FOLDER")


def _remember(cache: Cache, key: str, said: dict[str, Any]) -> None:
    """It would take tens of seconds at every start. What is told of a file at a glance, and what may pass, is not kept."""
    if not any(said.get(kind) for kind in ("code", "nothing", "passing")):
        with suppress(OSError):  # where nothing can be kept, it is tried again
            cache.keep_refusal(key, Refused(said["error"]))


def _run(path: Path, draft: Path, allow_code: bool) -> dict[str, Any]:
    """The process that converts: TensorFlow is never imported in one that serves."""
    command = [sys.executable, "-P", "-m", "modelport.compilation.keras.conversion", str(path), str(draft)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELPORT_")}
    try:
        done = subprocess.run(
            [*command, *(["--allow-code"] if allow_code else [])],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=environment,
            timeout=CONVERT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"is not converted after {CONVERT_SECONDS} s", "passing": True}
    last = (done.stdout.strip().splitlines() or [""])[-1]
    try:
        return dict(json.loads(last))
    except ValueError:  # it was killed, or has crashed
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
        told = f"ended the process that converts it (exit code {done.returncode}): {why}"
        return {"error": told, "passing": True}


def _refusal(path: Path, said: dict[str, Any]) -> ArtifactError:
    if said.get("nothing"):
        return ArtifactError(f"{path} {said['error']}")
    if not said.get("code"):
        return ArtifactError(_told_of_failure(path, said["error"]))
    return UntrustedPickle(
        f"{path} was not loaded, because loading it could run code: it {said['error']}. Save the model without it, or as ONNX; "
        "or, if you trust whoever made this file, add --allow-pickle",
        said["error"],
    )


def _told_of_failure(path: Path, error: str) -> str:
    return f"{path} {error}. Otherwise {SERVE_ONNX}"


def _told(said: dict[str, Any]) -> str:
    left_out = f", {said['refused']:,} that the original refuses left out" if said["refused"] else ""
    return (
        f"converted to ONNX by {said['by']}, once: parity {said['rows']:,} of {said['rows']:,} rows at several scales{left_out}, "
        f"at most {said['worst']:.1g} of the greatest answer apart"
    )


def converted_of(source: Path, options: ServeOptions) -> Converted | None:
    """The ONNX file of a network, which a bundle holds in its place: who serves that needs no TensorFlow. None for any other model.

    Raises what `convert` raises.
    """
    if not isinstance(find_loader(source), KerasLoader):
        return None
    return convert(source, options.cache_dir, options.allow_pickle)

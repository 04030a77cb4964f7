"""What served a saved model at the last start, kept by the digest of everything that decides about it.

A later start tells it to all processes when it starts them, so the one that takes longest begins at once and nobody looks first.
What is remembered decides nothing: whoever loads a model holds it against the digest that it was looked at with.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import modelport
from modelport.artifacts.companions import companions
from modelport.artifacts.digest import digest_files, digest_path
from modelport.compilation.cache import Cache, default_folder
from modelport.config import ServeOptions, to_plain
from modelport.errors import ArtifactError
from modelport.native.ownership import refuse_others
from modelport.runtime.forms import COMPILED, UNKNOWN, Form

if TYPE_CHECKING:
    from modelport.assembly.forms import Look

FOLDER, KEPT = "starts", 256
MOST_BYTES = 64 * 2**20
"""Of the files that are read to tell whether they are the same: nobody waits longer for that than for what it saves."""

OF_THE_SERVER = frozenset(
    {
        *("host", "port", "workers", "name", "max_body", "tls_cert", "tls_key", "default_deadline", "heartbeat"),
        *("latency_target", "queue_rows", "queue_bytes", "kill_grace", "drain_delay", "stop_timeout", "standby"),
        *("web_threads", "web_queue", "reload", "log_format"),
    }
)
"""Options that do not concern what serves a model. A new one does, until it stands here."""


def recall(artifact: Path, options: ServeOptions) -> Form | None:
    """The form that served, if all that it rests on is as it was then; None where that is not known."""
    try:
        place = _place(artifact, options)
        kept: dict[str, Any] = json.loads(place.read_bytes()) if place is not None else {}
        form: Form = kept["form"]
        for folder in (place.parent, *map(Path, [form["native"]["folder"]] if form["native"] else [])) if place else ():
            refuse_others(folder)
        return form if _stands(form, kept["rests_on"], options) else None
    except (OSError, ValueError, KeyError, TypeError, ArtifactError):  # whoever looks anew says what is wrong
        return None


def remember(artifact: Path, options: ServeOptions, look: Look) -> None:
    """Keep what was found out in the cache, if that has a part in it; where it cannot be written, later starts look again."""
    if look.form == UNKNOWN or not look.rests_on:
        return
    with suppress(OSError):
        place = _place(artifact, options)
        text = json.dumps({"form": look.plain(), "rests_on": look.rests_on})
        if place is None or (place.is_file() and place.read_text(encoding="utf-8") == text):
            return
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = place.with_suffix(f".{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(place)
        _prune(place.parent)


def _stands(form: Form, rests_on: list[str], options: ServeOptions) -> bool:
    """Whether the files that it was decided by are there: the compiled form whole, the proof, the environment."""
    if form["form"] == COMPILED and Cache(options.cache_dir).compiled(Path(form["folder"]).name) != Path(
        form["folder"]
    ):
        return False
    for path in rests_on:
        os.stat(path)
    return True


def _prune(folder: Path) -> None:
    oldest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]
    for path in oldest:
        path.unlink(missing_ok=True)


def _place(artifact: Path, options: ServeOptions) -> Path | None:
    """Where it is kept; None for what takes long to read."""
    files = [artifact, *(options.with_ or ()), *([options.data] if options.data else [])]
    if sum(map(_size, files)) > MOST_BYTES:
        return None
    total = hashlib.sha256("\0".join(_deciding(artifact, options)).encode())
    return (options.cache_dir or default_folder()) / FOLDER / f"{total.hexdigest()[:32]}.json"


def _deciding(artifact: Path, options: ServeOptions) -> Iterator[str]:
    """The files, what was said about them, and all that is installed here."""
    yield from (modelport.__version__, sys.version, str(artifact.resolve()))
    yield digest_files(artifact, options.with_ or ())
    yield digest_path(options.data) if options.data else ""
    beside = artifact.with_suffix(".toml")
    yield digest_path(beside) if beside.is_file() else ""
    yield json.dumps({name: value for name, value in to_plain(options).items() if name not in OF_THE_SERVER})
    yield from sorted(_installed())


def _installed() -> Iterator[str]:
    """The packages with their versions, by the folders that installers leave."""
    for place in sys.path:
        if place.endswith(("site-packages", "dist-packages")) and os.path.isdir(place):
            yield from (name for name in os.listdir(place) if name.endswith((".dist-info", ".egg-info")))


def _size(path: Path) -> int:
    files: Iterable[Path] = (path, *companions(path)) if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files)

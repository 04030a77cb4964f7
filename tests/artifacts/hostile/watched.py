"""`python -m tests.artifacts.hostile.watched FOLDER`: loads every hostile file and tells what that did, as JSON.

Each file is loaded twice. What a first load runs of the libraries themselves, their imports above all, is past in the second, in
which nothing may run any more.
"""

from __future__ import annotations

import copyreg
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, ModelportError
from tests.artifacts.hostile.files import FILES
from tests.artifacts.hostile.pickles import CANARY_MODULE, EXTENSION

CONTROL = "the same file, trusted"
RUNS = ("exec", "compile", "import", "pickle.find_class", "ctypes.dlopen", "code.__new__")
"""Events of the interpreter that tell of code about to run; those that begin with the names below leave the process."""

LEAVES = ("os.", "subprocess.", "socket.", "shutil.", "urllib.", "ctypes.call", "pty.", "webbrowser.")
HARMLESS = ("os.listdir", "os.scandir")
LIBRARIES = (
    str(Path(np.__file__).parents[1]),
    sys.prefix,
    sys.base_prefix,
    "/proc/",
    "/sys/",
    str(Path(__file__).parents[3] / "src"),
)


class Watch:
    """What happens between `begin` and `end`."""

    def __init__(self) -> None:
        self.events: list[str] | None = None
        sys.addaudithook(self._note)

    def begin(self, strict: bool) -> None:
        """Forget, and listen."""
        self.strict = strict
        self.events = []

    def end(self) -> list[str]:
        """What there was."""
        events, self.events = self.events or [], None
        return events

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if self.events is None:
            return
        if event == "open":
            name = os.fspath(args[0]) if isinstance(args[0], (str, os.PathLike)) else str(args[0])
            told = not name.startswith(LIBRARIES)
        else:
            runs = event in RUNS and self.strict
            leaves = event.startswith(LEAVES) and event not in HARMLESS
            told = runs or leaves or event == "pickle.find_class" or CANARY_MODULE in map(str, args)
        if told:
            self.events.append(f"{event} {str(args)[:200]}")


def watch_all(folder: Path) -> dict[str, Any]:
    """By case: the path, the refusals, the seconds, the events of both loads, and whether the canary file is there."""
    copyreg.add_extension("os", "system", EXTENSION)
    sys.path += ["", str(folder / "path")]
    (folder / "path").mkdir()
    (folder / "path" / f"{CANARY_MODULE}.py").write_text("raise SystemExit('imported')")
    for library in ("onnxruntime", "xgboost", "lightgbm", "catboost", "pandas.core.indexes.base", "scipy.stats"):
        importlib.import_module(library)  # so that what they do when they are imported is not held against the file
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as our loaders do before they import it
    sys.dont_write_bytecode = True  # what is imported for the first time is no deed of the file's
    watch = Watch()
    told = {name: _watch_one(watch, folder / f"case{i}", name) for i, name in enumerate(FILES)}
    return told | {CONTROL: _watch_one(watch, folder / "control", "posix.system", allow_pickle=True)}


def _watch_one(watch: Watch, folder: Path, name: str, allow_pickle: bool = False) -> dict[str, Any]:
    inside = folder / "inside"
    inside.mkdir(parents=True)
    canary = folder / "canary"
    path = FILES[name][0](inside, str(canary))
    os.chdir(inside)
    loads = [_load(watch, path, strict, allow_pickle) for strict in (False, True)]
    return {"path": str(path), "loads": loads, "canary": canary.exists()}


def _load(watch: Watch, path: Path, strict: bool, allow_pickle: bool = False) -> dict[str, Any]:
    options = resolve({"allow_pickle": allow_pickle})
    watch.begin(strict)
    started = time.perf_counter()
    try:
        load_artifact(path, options)
        outcome = "loaded"
    except ArtifactError as refused:
        outcome = str(refused)
    except ModelportError as other:
        outcome = f"another error of ours: {other}"
    except BaseException as unforeseen:
        outcome = f"unforeseen: {unforeseen!r}"
    seconds = time.perf_counter() - started
    own = f"open ('{path}',"
    return {"outcome": outcome, "seconds": seconds, "events": [e for e in watch.end() if not e.startswith(own)]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(watch_all(Path(sys.argv[1]))))

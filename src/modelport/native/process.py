"""The process in a native environment, seen from here: what is asked of it, and objects that stand for those inside."""

from __future__ import annotations

import subprocess
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from modelport.errors import ArtifactError
from modelport.native import foreign
from modelport.native.early import start_process, take_early, told_path
from modelport.native.environments import Environment

Unpack = Callable[[Path], bytes | None]
"""What a file unpacks to, where the other side cannot do that; None for all that it reads itself."""


class ForeignError(RuntimeError):
    """What was asked raised in the native environment; `kind` is the class of that error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class ForeignProcess:
    """One process with one model. It ends with its standard input, so never later than this process.

    `whole`: objects tell all that they hold, which those need who convert or compare them; otherwise what serving needs, by
    the process that was started early, where there is one. `late`: some libraries are imported when they are used. `unpack`: see
    `Unpack`.
    """

    def __init__(
        self, environment: Environment, whole: bool = True, late: bool = False, unpack: Unpack = lambda _: None
    ) -> None:
        self.environment = environment
        self._late, self._unpack = late, unpack
        self._whole = whole
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., ForeignProcess] | None = None
        self._known: dict[int, Any] = {}
        self._loaded: list[tuple[dict[str, Any], Path]] = []
        self._asked = ""
        early = None if whole else take_early(environment.folder)
        if early is not None:
            self._own(early.process)
            self._asked = early.file

    def load(self, path: Path) -> Any:
        """What a file holds: plain data as it is, and shadows of objects. Raises ArtifactError where it is not read, either."""
        library = next(
            (f"{k} {v}" for k, v in self.environment.versions.items() if k == "scikit-learn"), "its environment"
        )
        head, blobs = {"do": "load", "path": told_path(path), "whole": self._whole}, self._unpacked(path)
        if self._asked and (blobs or self._asked != head["path"]):  # it was started with another question
            self.close()
        try:
            found = self._ask(head, blobs)
        except ForeignError as error:
            raise ArtifactError(f"{path} does not load in {library} either: {str(error)[:300]}") from None
        self._loaded.append((head, path))
        return found

    def _unpacked(self, path: Path) -> Sequence[bytes]:
        data = self._unpack(path)
        return () if data is None else (data,)

    def get(self, number: int, name: str) -> Any:
        """An attribute of an object, or a method to call. Raises ForeignError."""
        found = self._ask({"do": "get", "of": number, "name": name})
        if isinstance(found, dict) and foreign.METHOD in found:
            return partial(self.call, number, name)
        return found

    def call(self, number: int, name: str, *values: Any) -> Any:
        """What a method of an object returns. Raises ForeignError with what it raises."""
        packer = foreign.Packer()
        nodes = [packer.pack(value) for value in values]
        return self._ask({"do": "call", "of": number, "name": name, "values": nodes}, packer.blobs)

    def close(self) -> None:
        """End it."""
        self._process, self._asked = None, ""
        if self._end is not None:
            self._end()

    def _ask(self, head: dict[str, Any], blobs: Any = ()) -> Any:
        with self._lock:
            said, found = self._exchange(head, blobs)
        if "error" in said:
            raise ForeignError(said["kind"], said["error"])
        return foreign.unpack(said["value"], found, self._stand_in)

    def _exchange(self, head: dict[str, Any], blobs: Any) -> tuple[Any, list[bytes]]:
        process = self._running()
        try:
            if not self._answers_already():
                foreign.write_frame(process.stdin, head, blobs)
            said, found = foreign.read_frame(process.stdout)
        except (EOFError, OSError):
            self.close()
            code = process.returncode
            raise ForeignError("Ended", f"the process of the native environment ended (exit code {code})") from None
        return said, found

    def _running(self) -> subprocess.Popen[bytes]:
        """The process; a new one that holds the same model, where the last one has ended."""
        if self._process is None:
            self._own(start_process(self.environment.folder, self._late))
            for head, path in self._loaded:
                self._exchange(head, self._unpacked(path))
        assert self._process is not None
        return self._process

    def _own(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._end = weakref.finalize(self, _end, process)

    def _answers_already(self) -> bool:
        """Whether it was started with the very question that is to be asked first."""
        asked, self._asked = self._asked, ""
        return bool(asked)

    # -- objects -------------------------------------------------------------------------------------------------

    def _stand_in(self, node: Any, blobs: Any) -> Any:
        number = node[1]
        if number not in self._known:
            _, _, module, name, state, methods = node
            made = self._known[number] = _shadow_class(module, name)(self, number, frozenset(methods))
            for attribute, value in state.items():
                made.__dict__[attribute] = foreign.unpack(value, blobs, self._stand_in)
        return self._known[number]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Of a process that nobody can ask any more."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was not sent any more
            if pipe is not None:
                pipe.close()


class Shadow:
    """Stands for an object in the native environment: its class by name, its attributes as data, its methods by asking."""

    __slots__ = ("__dict__", "_shadow_methods", "_shadow_number", "_shadow_process")

    def __init__(self, process: ForeignProcess, number: int, methods: frozenset[str]) -> None:
        self._shadow_process, self._shadow_number, self._shadow_methods = process, number, methods

    def __getattr__(self, name: str) -> Any:
        """What is not among the attributes: a method, or a property that is asked for."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._shadow_methods:
            return partial(self._shadow_process.call, self._shadow_number, name)
        try:
            return self._shadow_process.get(self._shadow_number, name)
        except ForeignError as error:
            raise AttributeError(f"{type(self).__name__}.{name}: {error}") from None

    def __sklearn_is_fitted__(self) -> bool:
        """What is not fails at its first prediction."""
        return True

    def __sklearn_tags__(self) -> Any:
        """What the installed scikit-learn asks to tell classifiers from regressors."""
        from sklearn.base import BaseEstimator

        tags = BaseEstimator().__sklearn_tags__()
        tags.estimator_type = getattr(self, "_estimator_type", None)
        return tags


_classes: dict[tuple[str, str], type[Shadow]] = {}


def _shadow_class(module: str, name: str) -> type[Shadow]:
    """A class of that name, since names are what loaders and converters go by."""
    if (module, name) not in _classes:
        _classes[module, name] = type(name, (Shadow,), {"__module__": module, "__slots__": ()})
    return _classes[module, name]

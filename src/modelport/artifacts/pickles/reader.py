"""The unpickler: one reader for plain pickles and for joblib's, which checks each thing at the moment it would use it."""

from __future__ import annotations

import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelport.artifacts.pickles.allowed import LIBRARIES, resolve
from modelport.artifacts.pickles.arrays import JoblibArray, check_array_state, check_dtype_state
from modelport.artifacts.pickles.beside import ArrayBeside, PackedArrayBeside
from modelport.artifacts.pickles.boosters import readable_booster
from modelport.artifacts.pickles.containers import ContainerReader
from modelport.artifacts.pickles.permit import Permit, Refused, Unused, find_own
from modelport.artifacts.pickles.plain import PLAIN_MAKERS, check_key
from modelport.artifacts.pickles.stream import Stream, open_stream
from modelport.artifacts.pickles.texts import as_texts, text_of
from modelport.kernel.ports import Repairs

_VECTORIZERS = "sklearn.feature_extraction"


def read_pickle(path: Path, code: frozenset[str] = frozenset(), repairs: Repairs | None = None) -> Any:
    """What a pickle or joblib file holds; of a class itself, that class. `code`: modules that the user trusts, beside the list.

    `repairs` brings what an older release saved into the form of the installed one.

    Raises Refused where it names or does what is not allowed, ArtifactError where it is something else than a pickle, and
    whatever unpickling raises where it is damaged.
    """
    with open_stream(path) as stream:
        found = _Reader(stream, code, repairs).load()
    if isinstance(found, Permit):
        if found.cls is None:
            raise Refused(found.name, "is all that it holds")
        return found.cls
    return found


def read_start(path: Path) -> None:
    """Read as far as no library is imported for it but NumPy. Raises what `read_pickle` raises."""
    with open_stream(path) as stream, suppress(_LibraryNamed):
        _StartReader(stream).load()


class _Reader(ContainerReader):
    """Python's own unpickler in Python, with every opcode that can run code taken over.

    Nothing is scanned beforehand, so no scan can be fooled: what is checked is what is about to happen.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(ContainerReader.dispatch)

    def __init__(self, stream: Stream, code: frozenset[str] = frozenset(), repairs: Repairs | None = None) -> None:
        super().__init__(stream, encoding="latin-1")  # of Python 2: its arrays are texts
        self._stream = stream
        self._code = code
        self._repairs = repairs
        self._found: dict[tuple[str, str], Any] = {}
        self._values: set[int] = set()
        self._of_python_2 = False

    # -- names ---------------------------------------------------------------------------------------------------

    def find_class(self, module: str, name: str) -> Any:
        """The allow-list's answer, under the name that the global has in Python 3."""
        if self.proto < 3:
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        if (module, name) not in self._found:
            trusted = module.partition(".")[0] in self._code
            found = self._found[module, name] = find_own(module, name) if trusted else self._resolve(module, name)
            self._values.add(id(found))
        return self._found[module, name]

    def _resolve(self, module: str, name: str) -> Any:
        """A new name of it is looked up like any other; what takes its place is ours."""
        if self._repairs is None:
            return resolve(module, name)
        found = self._repairs.find(module, name)
        if isinstance(found, tuple):
            return resolve(*found)
        if isinstance(found, type):
            return Permit(f"{module}.{name}", found, found)
        return Permit(f"{module}.{name}", make=found) if callable(found) else found

    def get_extension(self, code: int) -> None:
        """Numbers for globals, which another program has registered."""
        raise Refused(f"copyreg extension {code}", "stands for a global that the file does not name")

    def persistent_load(self, pid: Any) -> None:
        """Names of things outside the file."""
        raise Refused(f"persistent id {str(pid)[:40]!r}", "stands for something outside the file")

    # -- calls ---------------------------------------------------------------------------------------------------

    def load_reduce(self) -> None:
        """Call a function."""
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """Make an instance without its constructor."""
        arguments = self.stack.pop()
        self.stack[-1] = self._make(self.stack[-1], arguments)

    def load_newobj_ex(self) -> None:
        """The same with keywords, which nothing on the list needs."""
        keywords = self.stack.pop()
        if keywords:
            raise Refused(_name_of(self.stack[-2]), "is made with keywords")
        self.load_newobj()

    def _instantiate(self, cls: Any, arguments: Any) -> None:
        """INST and OBJ, from before Python 2.3."""
        self.append(self._make(cls, tuple(arguments)))

    def _make(self, cls: Any, arguments: Any) -> Any:
        if isinstance(cls, Permit) and cls.cls is not None and arguments == ():
            return cls.blank()
        return self._call(cls, arguments)

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("arguments that are no tuple")
        if isinstance(function, Permit):
            return function.call(arguments)
        make = PLAIN_MAKERS.get(function) if isinstance(function, type) else None
        if make is None:
            raise Refused(_name_of(function), "may be stored, not called")
        return make(*arguments)

    # -- state ---------------------------------------------------------------------------------------------------

    def load_build(self) -> None:
        """Give an instance its state; an array that joblib has put beside the pickle is read now."""
        state, thing = self.stack[-1], self.stack[-2]
        if isinstance(thing, (Permit, type)) or id(thing) in self._values:
            raise Refused(_name_of(thing), "would be changed for the whole process")
        if type(thing).__module__ == "xgboost.core":
            state = self.stack[-1] = readable_booster(thing, state)
        if self._repairs is not None:
            state = self.stack[-1] = self._repairs.mend(thing, state)
        _check_state(thing, state)
        super().load_build()
        if isinstance(thing, JoblibArray):
            self.stack[-1] = thing.read(self._stream, self._load_nested)
        elif isinstance(thing, (ArrayBeside, PackedArrayBeside)):
            self.stack[-1] = thing.read(self._stream.path or Path(), self._load_beside)
        if self._of_python_2 and isinstance(self.stack[-1], np.ndarray):
            self._put_texts()

    def _load_nested(self) -> Any:
        return type(self)(self._stream, self._code, self._repairs).load()

    def _load_beside(self, stream: Stream) -> Any:
        return type(self)(stream, self._code, self._repairs).load()

    def load_bytearray8(self) -> None:
        """Bytes that can be changed. Python sets the memory aside before it looks whether there are as many."""
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    # -- texts of Python 2 ---------------------------------------------------------------------------------------

    def _decode_string(self, value: bytes) -> str:
        """What Python 2 alone writes: bytes that were a text, or the memory of an array."""
        self._of_python_2 = True
        return text_of(value)

    def _put_texts(self) -> None:
        """An array of texts takes the place of one of bytes, wherever the file refers to it."""
        before = self.stack[-1]
        after = self.stack[-1] = as_texts(before)
        if after is not before:
            self.memo.update({number: after for number, kept in self.memo.items() if kept is before})

    # -- containers ----------------------------------------------------------------------------------------------

    def set_items(self, items: list[Any]) -> None:
        """Keys and values, in turn."""
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise Refused(_name_of(target), "is filled like a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key)
            target[key] = value

    def extend(self, items: list[Any]) -> None:
        """Elements."""
        target = self.stack[-1]
        if not isinstance(target, (list, deque)):
            raise Refused(_name_of(target), "is filled like a list")
        target.extend(items)

    def load_additems(self) -> None:
        """Elements of a set."""
        items = self.pop_mark()
        if not isinstance(self.stack[-1], set):
            raise Refused(_name_of(self.stack[-1]), "is filled like a set")
        for item in items:
            check_key(item)
        self.stack[-1].update(items)

    def load_frozenset(self) -> None:
        """A frozenset of what lies on the stack."""
        items = self.pop_mark()
        for item in items:
            check_key(item)
        self.append(frozenset(items))

    dispatch.update(
        {
            pickle.REDUCE[0]: load_reduce,
            pickle.NEWOBJ[0]: load_newobj,
            pickle.NEWOBJ_EX[0]: load_newobj_ex,
            pickle.BUILD[0]: load_build,
            pickle.BYTEARRAY8[0]: load_bytearray8,
            pickle.ADDITEMS[0]: load_additems,
            pickle.FROZENSET[0]: load_frozenset,
        }
    )


def _check_state(thing: Any, state: Any) -> None:
    if isinstance(thing, Unused):
        return None
    if isinstance(thing, np.dtype):
        return check_dtype_state(thing, state)
    if isinstance(thing, np.ndarray):
        return check_array_state(thing, state)
    parts = state if isinstance(state, tuple) else (state,)
    for part in parts:
        if isinstance(part, Permit):
            raise Refused(part.name, f"is stored in a {type(thing).__name__} as if it were data")
        if isinstance(part, dict):
            _check_attributes(thing, part)
    return None


def _check_attributes(thing: Any, attributes: dict[Any, Any]) -> None:
    for key, value in attributes.items():
        if isinstance(value, Permit) and not isinstance(thing, (JoblibArray, ArrayBeside, PackedArrayBeside)):
            raise Refused(value.name, f"is stored in a {type(thing).__name__} as if it were data")
        if isinstance(key, str) and key.startswith("__") and key.endswith("__"):
            raise Refused(f"{type(thing).__name__}.{key}", "is no attribute that a pickle may set")
    reads = attributes.get("input", "content")
    if type(thing).__module__.startswith(_VECTORIZERS) and reads != "content":
        raise Refused(f"{type(thing).__name__}(input={reads!r})", "opens files that callers name: train it on texts")


def _name_of(thing: Any) -> str:
    if isinstance(thing, Permit):
        return thing.name
    name = thing if isinstance(thing, type) or callable(thing) else type(thing)
    return f"{getattr(name, '__module__', '')}.{getattr(name, '__qualname__', type(thing).__name__)}".lstrip(".")


class _LibraryNamed(Exception):
    """The next thing is of a library on the list, which would be imported."""


class _StartReader(_Reader):
    """Stops where the first library would be imported, which takes longer than all that comes before."""

    def find_class(self, module: str, name: str) -> Any:
        """The allow-list's answer."""
        if module.partition(".")[0] in LIBRARIES:
            raise _LibraryNamed
        return super().find_class(module, name)

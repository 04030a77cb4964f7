"""What a pickle says of itself, read without importing or calling anything that it names.

The reader of `reader.py` makes the model, so it needs the library of the model, in a version that has its classes. This one makes
stand-ins, so it can tell of a file that no installed version loads which version saved it, and how its features are called.
"""

from __future__ import annotations

import math
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelport.artifacts.pickles.beside import place_beside, read_array, unpack_array
from modelport.artifacts.pickles.containers import ContainerReader
from modelport.artifacts.pickles.stream import Stream, open_stream
from modelport.errors import ArtifactError

_WRAPPER = "NumpyArrayWrapper"
_BESIDE = ("joblib.numpy_pickle.NDArrayWrapper", "joblib.numpy_pickle.ZNDArrayWrapper")


class Named:
    """Stands for whatever a pickle names: a class, a function, or what calling one would make."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = (), made: bool = False) -> None:
        self.name, self.arguments, self.made = name, arguments, made
        self.state: Any = None
        self.items: list[Any] = []

    def __hash__(self) -> int:
        return id(self)

    @property
    def attributes(self) -> dict[str, Any]:
        """Its state, as far as that is a dict."""
        state = (
            self.state[0]
            if isinstance(self.state, tuple) and self.state and isinstance(self.state[0], dict)
            else self.state
        )
        return {k: v for k, v in state.items() if isinstance(k, str)} if isinstance(state, dict) else {}


class Outline:
    """What is in a file. `root` is what it holds; `joblib` says that joblib wrote arrays between the opcodes, or into files beside,
    of which `beside` are the names; `missing` says of those that cannot be read what is wrong with them. `names` is what the file
    names, as modules and names of Python 3, and its companions with it."""

    def __init__(
        self,
        root: Any,
        joblib: bool,
        names: frozenset[tuple[str, str]] = frozenset(),
        beside: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
    ) -> None:
        self.root, self.joblib, self.names = root, joblib, names
        self.beside, self.missing = beside, missing

    def objects(self) -> Iterator[Named]:
        """Every stand-in for an object, the outermost first."""
        seen: set[int] = set()
        ahead: deque[Any] = deque([self.root])
        while ahead:
            thing = ahead.popleft()
            if id(thing) in seen or isinstance(thing, (str, bytes, int, float, np.ndarray)):
                continue
            seen.add(id(thing))
            if isinstance(thing, Named):
                yield thing
                ahead += [*thing.attributes.values(), *thing.arguments, *thing.items]
            elif isinstance(thing, dict):
                ahead += list(thing.values())
            elif isinstance(thing, (list, tuple, set, frozenset)):
                ahead += list(thing)


def read_outline(path: Path) -> Outline:
    """Read a pickle, joblib or skops file. Raises ArtifactError, or whatever a damaged file raises."""
    if path.suffix.lower() == ".skops":
        from modelport.artifacts.pickles.skops_outline import read_skops_outline

        return read_skops_outline(path)
    with open_stream(path) as stream:
        names: set[tuple[str, str]] = set()
        reader = _Reader(stream, names)
        root = reader.load()
        joblib = reader.arrays > 0 or bool(reader.beside)
        return Outline(root, joblib, frozenset(names), tuple(reader.beside), tuple(reader.missing))


def listed(value: Any) -> list[Any]:
    """The elements of an array or list; empty where there is nothing plain to list."""
    if isinstance(value, np.ndarray):
        return list(value.ravel().tolist())
    if isinstance(value, (list, tuple)):
        return list(value)
    if not isinstance(value, Named):
        return []
    if value.name.endswith("._frombuffer") and len(value.arguments) > 1:  # protocol 5
        return _elements(value.arguments[0], _dtype(value.arguments[1]))
    if isinstance(value.state, tuple) and len(value.state) == 5:
        return _elements(value.state[4], _dtype(value.state[2]))
    return []


def _elements(data: Any, dtype: np.dtype[Any] | None) -> list[Any]:
    """Of an array's data: a list of objects, or bytes, which old protocols write as text."""
    if isinstance(data, list):
        return data
    if (
        isinstance(data, Named)
        and data.name == "_codecs.encode"
        and data.arguments
        and isinstance(data.arguments[0], str)
    ):
        data = data.arguments[0].encode("latin-1", "replace")
    if dtype is None or dtype.hasobject or not dtype.itemsize or not isinstance(data, bytes | bytearray):
        return []
    return list(np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype).tolist())


def _dtype(value: Any) -> np.dtype[Any] | None:
    """The type that a stand-in for `numpy.dtype(…)` describes."""
    if not isinstance(value, Named) or not value.arguments or not isinstance(value.arguments[0], str):
        return None
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "|"
    try:
        dtype = np.dtype(value.arguments[0])
        return dtype.newbyteorder(">") if order == ">" else dtype
    except (TypeError, ValueError):
        return None


def _numbers(data: bytes, wrapper: Named) -> Any:
    """What a packed file beside the model holds, flat; the wrapper as it is, where it does not say of which type that is."""
    state = wrapper.attributes.get("state")
    dtype = _dtype(state[2]) if isinstance(state, tuple) and len(state) == 4 else None
    whole = dtype is not None and not dtype.hasobject and dtype.itemsize > 0 and len(data) % dtype.itemsize == 0
    return np.frombuffer(data, dtype) if whole else wrapper


class _Reader(ContainerReader):
    """Python's unpickler, with every opcode that names, calls or fills something taken over by stand-ins."""

    dispatch: ClassVar[dict[int, Any]] = dict(ContainerReader.dispatch)

    def __init__(self, stream: Stream, names: set[tuple[str, str]]) -> None:
        super().__init__(stream, encoding="latin-1")
        self._stream = stream
        self._names = names
        self.arrays = 0
        self.beside: list[str] = []
        self.missing: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        """The name, and nothing behind it."""
        known = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        self._names.add(known if self.proto < 3 else (module, name))
        return Named(f"{module}.{name}")

    def get_extension(self, code: int) -> None:
        """A number for a global."""
        self.append(Named(f"extension {code}"))

    def persistent_load(self, pid: Any) -> Any:
        """A name for something outside the file."""
        return Named(f"outside {str(pid)[:40]}")

    def load_reduce(self) -> None:
        """A call."""
        arguments = self.stack.pop()
        self._make(self.stack.pop(), arguments)

    def load_newobj_ex(self) -> None:
        """A call with keywords."""
        self.stack.pop()
        self.load_reduce()

    def _instantiate(self, cls: Any, arguments: Any) -> None:
        self._make(cls, tuple(arguments))

    def _make(self, what: Any, arguments: Any) -> None:
        name = what.name if isinstance(what, Named) else ""
        given = arguments if isinstance(arguments, tuple) else ()
        if (
            name.endswith(("copyreg._reconstructor", "copy_reg._reconstructor"))
            and given
            and isinstance(given[0], Named)
        ):
            name = given[0].name
        self.append(Named(name, given, made=True))

    def load_build(self) -> None:
        """A state; the bytes of an array that joblib put behind it are read over, those of one beside the file looked into."""
        state = self.stack.pop()
        thing = self.stack[-1]
        if isinstance(thing, Named):
            thing.state = state
            if thing.name.endswith(_WRAPPER) and thing.made:
                self.stack[-1] = self._array(thing.attributes)
            elif thing.name.endswith(_BESIDE) and thing.made:
                self._read_beside(thing)

    def _array(self, about: dict[str, Any]) -> Any:
        self.arrays += 1
        dtype = _dtype(about.get("dtype"))
        shape = about.get("shape", ())
        if dtype is None or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise pickle.UnpicklingError("an array without shape or type")
        if dtype.hasobject:
            return type(self)(self._stream, self._names).load()
        if about.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])
        data = self._stream.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype) if data else np.empty(0, dtype)

    def _read_beside(self, thing: Named) -> None:
        """An array in a file of its own takes the place of what names that."""
        name = thing.attributes.get("filename")
        self.beside.append(str(name))
        try:
            place = place_beside(self._stream.path or Path(), name)
            if thing.name.endswith(".ZNDArrayWrapper"):
                self.stack[-1] = _numbers(unpack_array(place), thing)
            else:
                found = read_array(place, lambda stream: type(self)(stream, self._names).load())
                self.stack[-1] = found.ravel() if isinstance(found, np.ndarray) else found
        except ArtifactError as error:
            self.missing.append(str(error))

    def extend(self, items: list[Any]) -> None:
        """Elements."""
        target = self.stack[-1]
        if isinstance(target, Named):
            target.items.extend(items)
        elif isinstance(target, list):
            target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values, in turn."""
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(target, Named):
                target.items.append(value)
            elif isinstance(target, dict):
                target[key if isinstance(key, (str, int, float, bytes, bool, type(None))) else str(id(key))] = value

    def load_additems(self) -> None:
        """Elements of a set, kept as a list: stand-ins of one name are not equal."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], Named):
            self.stack[-1].items.extend(items)

    def load_empty_set(self) -> None:
        """A set."""
        self.append(Named("builtins.set", made=True))

    def load_frozenset(self) -> None:
        """A set that does not change."""
        self.append(Named("builtins.frozenset", tuple(self.pop_mark()), made=True))

    dispatch.update(
        {
            pickle.REDUCE[0]: load_reduce,
            pickle.NEWOBJ[0]: load_reduce,
            pickle.NEWOBJ_EX[0]: load_newobj_ex,
            pickle.BUILD[0]: load_build,
            pickle.ADDITEMS[0]: load_additems,
            pickle.EMPTY_SET[0]: load_empty_set,
            pickle.FROZENSET[0]: load_frozenset,
        }
    )

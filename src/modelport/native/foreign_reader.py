"""How a native environment reads a model file: through an allow-list, with every opcode that can run code taken over.

The list is in `foreign_names.py`. It runs beside `foreign.py` in the interpreter of that environment, so it is written for Python
3.6 and imports nothing of ours.
"""

import collections
import contextlib
import fcntl
import gzip
import importlib.util
import io
import os
import pickle
import sys
import types
import zlib
from typing import Any

import numpy as np


def _beside(name: str) -> Any:
    """A file of this folder, which is on no path."""
    folder = os.path.dirname(os.path.abspath(_beside.__code__.co_filename))
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, name + ".py"))  # type: Any
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_names = _beside("foreign_names")
Refused, Permit, StoredArray, resolve = (
    _names.Refused,
    _names.Permit,
    _names.StoredArray,
    _names.resolve,
)

# -- texts of Python 2 -----------------------------------------------------------------------------------------------


class OldText(str):
    """A text of Python 2 that is not ASCII: its bytes as Latin-1, since the file does not say of which alphabet they are."""


def _as_texts(array: Any) -> Any:
    """Labels and categories of Python 2, whose texts were bytes, as texts; any other array as it is."""
    if array.dtype.kind == "S":
        return _decoded(array)
    if array.dtype == object:
        for place, value in enumerate(array.flat):
            if isinstance(value, (OldText, bytes)):
                array.flat[place] = _decode(value.encode("latin-1") if isinstance(value, OldText) else value)
    return array


def _decoded(array: Any) -> Any:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        return np.char.decode(array, "latin-1")


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


_InPython = pickle._Unpickler  # type: Any


class Reader(_InPython):  # type: ignore[misc]
    """Python's own unpickler in Python, with every opcode that can run code taken over."""

    dispatch = dict(_InPython.dispatch)  # noqa: RUF012

    def __init__(self, file: Any, path: str = "") -> None:
        super().__init__(file, encoding="latin1")
        self._file, self._path = file, path
        self._of_python_2 = False

    def _decode_string(self, value: bytes) -> str:
        """What Python 2 alone writes: bytes that were a text, or the memory of an array."""
        self._of_python_2 = True
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            return OldText(value.decode("latin-1"))

    def _put_texts(self) -> None:
        """An array of texts takes the place of one of bytes, wherever the file refers to it."""
        before = self.stack[-1]
        after = self.stack[-1] = _as_texts(before)
        for number, kept in list(self.memo.items()) if after is not before else ():
            if kept is before:
                self.memo[number] = after

    def find_class(self, module: str, name: str) -> Any:
        """The allow-list's answer, under the name that Python 3 has for it."""
        from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

        if self.proto < 3:
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        return resolve(module, name)

    def get_extension(self, code: int) -> None:
        """A number for a global."""
        raise Refused("a number stands for a global that the file does not name")

    def persistent_load(self, pid: Any) -> None:
        """Something outside the file."""
        raise Refused("a name stands for something outside the file")

    def load_reduce(self) -> None:
        """A call."""
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """An instance without its constructor."""
        arguments = self.stack.pop()
        cls = self.stack[-1]
        blank = isinstance(cls, Permit) and arguments == () and cls.cls is not None
        self.stack[-1] = cls.blank() if blank else self._call(cls, arguments)

    def load_newobj_ex(self) -> None:
        """The same with keywords."""
        if self.stack.pop():
            raise Refused("something is made with keywords")
        self.load_newobj()

    def _instantiate(self, cls: Any, arguments: Any) -> None:
        self.append(cls.blank() if isinstance(cls, Permit) and not arguments else self._call(cls, tuple(arguments)))

    def _call(self, function: Any, arguments: Any) -> Any:
        if isinstance(function, Permit) and isinstance(arguments, tuple):
            return function.call(arguments)
        if isinstance(function, type) and function in _names.VALUES and isinstance(arguments, tuple):
            return function(*arguments)
        raise Refused(f"{getattr(function, '__name__', type(function).__name__)} may be stored, not called")

    def load_build(self) -> None:
        """A state."""
        state, thing = self.stack[-1], self.stack[-2]
        _check_state(thing, state)
        super().load_build()
        if isinstance(thing, StoredArray):
            self.stack[-1] = thing.read(self._file, lambda: Reader(self._file, self._path).load())
        elif isinstance(thing, _names.ARRAYS_BESIDE):
            self.stack[-1] = thing.read(self._path, lambda file: Reader(file).load())
        if self._of_python_2 and isinstance(self.stack[-1], np.ndarray):
            self._put_texts()

    def _fill(self, kinds: Any) -> None:
        mark = self.metastack[-1] if self.metastack else []
        if not isinstance(mark[-1] if mark else None, kinds):
            raise Refused("something that is no container is filled like one")

    def load_appends(self) -> None:
        """Elements of a list."""
        self._fill((list, collections.deque))
        super().load_appends()

    def load_setitems(self) -> None:
        """Keys and values of a dict."""
        self._fill(dict)
        super().load_setitems()

    def load_additems(self) -> None:
        """Elements of a set."""
        self._fill(set)
        super().load_additems()

    def load_append(self) -> None:
        """One element."""
        if not isinstance(self.stack[-2], (list, collections.deque)):
            raise Refused("something that is no list is filled like one")
        super().load_append()

    def load_setitem(self) -> None:
        """One key."""
        if not isinstance(self.stack[-3], dict):
            raise Refused("something that is no dict is filled like one")
        super().load_setitem()

    for _opcode in ["reduce", "newobj", "newobj_ex", "build", "appends", "setitems", "additems", "append", "setitem"]:
        dispatch[getattr(pickle, _opcode.upper())[0]] = locals()["load_" + _opcode]


def _check_state(thing: Any, state: Any) -> None:
    """Raise Refused for a state that would change more than the object, or that says something wrong of memory."""
    if isinstance(thing, (Permit, type, types.FunctionType, np.ufunc)):
        raise Refused("a class or function would be changed for the whole process")
    if isinstance(thing, np.dtype):
        described = state[3:6]
        if (
            not isinstance(state, tuple)
            or len(state) < 8
            or (described[1] and any(not isinstance(f[0], np.dtype) for f in described[1].values()))
        ):
            raise Refused("a type of NumPy has a state that none has")
        _check_flags(thing, state)
    elif isinstance(thing, np.ndarray):
        _check_array(state)
    for part in state if isinstance(state, tuple) else (state,):
        for key, value in part.items() if isinstance(part, dict) else ():
            if isinstance(value, Permit) and not isinstance(thing, _names.STAND_INS):
                raise Refused(f"{value.name} is stored as if it were data")
            if isinstance(key, str) and key.startswith("__") and key.endswith("__"):
                raise Refused(f"{key} is no attribute that a file may set")
            if (
                key == "input"
                and value != "content"
                and type(thing).__module__.startswith("sklearn.feature_extraction")
            ):
                raise Refused("the vectorizer opens files that callers name")


def _check_flags(dtype: Any, state: Any) -> None:
    """Flags say whether memory holds references."""
    fields, flags = state[4], state[7]
    objects = any(f[0].hasobject for f in fields.values()) if fields else dtype.hasobject
    base = state[2]
    inside = not fields or max(f[1] + f[0].itemsize for f in fields.values()) <= state[5]
    if base is not None or not inside or type(flags) is not int or (bool(flags & 1) != bool(objects)):
        raise Refused("a type of NumPy has a state that says something wrong of memory")


def _check_array(state: Any) -> None:
    """As many elements as it says."""
    shape, dtype, _, data = state[1:5] if len(state) != 4 else state
    count = 1
    for n in shape:
        count *= int(n)
    listed = isinstance(data, list)
    if (
        listed != dtype.hasobject
        or min(shape, default=0) < 0
        or len(data) != (count if listed else count * dtype.itemsize)
    ):
        raise Refused("an array says that it has more or fewer elements than came")


def _inflate(file: Any) -> Any:
    """Zlib without a file format around it. How far a file unpacks was bounded when it was read on our side."""
    return io.BytesIO(zlib.decompress(file.read()))


def _hold_environment() -> None:
    """As long as this process lives, `modelport cache remove` leaves the libraries that it runs on alone."""
    with contextlib.suppress(OSError):  # it is none that is kept in a cache, or lies where files cannot be locked
        fcntl.flock(os.open(os.path.join(sys.prefix, "environment.json"), os.O_RDONLY), fcntl.LOCK_SH)


def _read_skops(path: str) -> Any:
    """By skops itself, where it or the list trusts every type that the file names."""
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    for full in unknown:
        resolve(full.rpartition(".")[0], full.rpartition(".")[2])
    return skops.io.load(path, trusted=unknown)


def read_file(path: str, data: Any = None) -> Any:
    """What a pickle, joblib or skops file holds. Raises Refused, or whatever unpickling raises.

    `data` is what the file unpacks to, where that took a library that no environment has.
    """
    _hold_environment()
    if path.endswith(".skops"):
        return _read_skops(path)
    if data is not None:
        return Reader(io.BytesIO(data), path).load()
    with open(path, "rb") as file:
        head = file.peek(8)[:8]
        if head.startswith(_LZ4):
            raise Refused("it is packed with LZ4, which nothing here unpacks")
        opened = next((make(file) for magic, make in _OPENERS.items() if head.startswith(magic)), file)
        return Reader(opened, path).load()


_LZ4 = b"\x04\x22\x4d\x18"
_OPENERS = {
    b"\x78": _inflate,
    b"ZF": lambda file: io.BytesIO(_names.unpack_zfile(file)),
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": lambda file: importlib.import_module("bz2").BZ2File(file),
    b"\xfd7zXZ": lambda file: importlib.import_module("lzma").LZMAFile(file),
    b"\x5d\x00": lambda file: importlib.import_module("lzma").LZMAFile(file),
}  # type: Any
"""By how a file starts. An interpreter that was built where bzip2 or xz was missing lacks these modules, and may not need them."""

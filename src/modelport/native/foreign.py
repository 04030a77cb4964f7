"""The other side of a native environment: reads one model with the libraries that saved it, and answers for it.

It runs in the interpreter of that environment, so it is written for Python 3.6 and imports nothing of ours. Its standard input
and output carry frames: the lengths of a head and of some blobs, the head as JSON, the blobs as they are. Numbers cross in blobs,
bit by bit.

    {"do": "load", "path": …, "whole": true}                   the model as a tree of nodes
    {"do": "get", "of": 3, "name": "coef_"}                    an attribute of the object 3
    {"do": "call", "of": 3, "name": "predict", "value": …}     what a method of it returns

A blob beside `load` is what the file unpacks to, where only the asking side can unpack it.

The files beside this one read the model and put imports off. Started with the name of a file, it answers first as if it were asked
to load that, with `whole` false: then what is great and no part of serving is left out, and is to be asked for.
"""

import collections
import json
import os
import struct
import sys
import types
import warnings
from importlib.machinery import SourceFileLoader
from typing import Any

import numpy as np

# -- frames --------------------------------------------------------------------------------------------------------

_SIZE = struct.Struct(">Q")
LARGEST_HEAD = 2**31


def write_frame(file: Any, head: Any, blobs: Any) -> None:
    """One frame, flushed."""
    text = json.dumps(head).encode()
    file.write(_SIZE.pack(len(text)) + _SIZE.pack(len(blobs)) + b"".join(_SIZE.pack(len(b)) for b in blobs) + text)
    for blob in blobs:
        file.write(blob)
    file.flush()


def read_frame(file: Any) -> Any:
    """The head and the blobs of the next frame. Raises EOFError where there is none."""
    length, count = _size(file), _size(file)
    if length > LARGEST_HEAD or count > LARGEST_HEAD:
        raise EOFError("no frame")
    sizes = [_size(file) for _ in range(count)]
    head = json.loads(_exactly(file, length).decode())
    return head, [_exactly(file, size) for size in sizes]


def _size(file: Any) -> int:
    return int(_SIZE.unpack(_exactly(file, _SIZE.size))[0])


def _exactly(file: Any, size: int) -> bytes:
    data = bytes(file.read(size))
    if len(data) != size:
        raise EOFError("the other side has ended")
    return data


# -- values --------------------------------------------------------------------------------------------------------

ARRAY, OBJECTS, SCALAR, FRAME, SPARSE = "array", "objects", "scalar", "frame", "sparse"
METHOD = "method of this object"
LIST, TUPLE, DICT, BYTES, SLICE, NAME, THING = "list", "tuple", "dict", "bytes", "slice", "name", "thing"


class Packer:
    """Values to nodes: plain ones as they are in JSON, everything else as a list whose first element says what it is.

    `describe` gives the node of an object that is no data.
    """

    def __init__(self, describe: Any = None) -> None:
        self.blobs = []  # type: Any
        self._describe = describe

    def pack(self, value: Any) -> Any:
        """The node."""
        if isinstance(value, np.generic):
            return [SCALAR, self._array(np.asarray(value))]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, (bytes, bytearray)):
            return [BYTES, bytes(value).decode("latin-1")]
        if isinstance(value, dict):
            return [DICT, [[self.pack(k), self.pack(v)] for k, v in value.items()]]
        if isinstance(value, tuple):
            return [TUPLE, [self.pack(v) for v in value]]
        if isinstance(value, (list, set, frozenset)):
            return [LIST, [self.pack(v) for v in value]]
        if isinstance(value, collections.UserList):  # of columns, which warns whoever reads it
            return [LIST, [self.pack(v) for v in value.data]]
        if isinstance(value, slice):
            return [SLICE, [self.pack(v) for v in (value.start, value.stop, value.step)]]
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
            return [NAME, getattr(value, "__module__", "") or "numpy", getattr(value, "__name__", "")]
        return self._of_library(value)

    def _array(self, array: Any) -> Any:
        array = np.asarray(array)
        if array.dtype == object:
            return [OBJECTS, list(array.shape), [self.pack(v) for v in array.ravel().tolist()]]
        if array.dtype.hasobject:
            return None
        dtype = array.dtype.descr if array.dtype.names else array.dtype.str
        return [ARRAY, dtype, list(array.shape), self._blob(np.ascontiguousarray(array).tobytes())]

    def _blob(self, data: bytes) -> int:
        self.blobs.append(data)
        return len(self.blobs) - 1

    def _of_library(self, value: Any) -> Any:
        if isinstance(value, np.dtype):
            return [NAME, "numpy", value.name]
        if hasattr(value, "tocsr") and hasattr(value, "nnz"):
            rows = value.tocsr()
            return [SPARSE, list(rows.shape), [self._array(a) for a in (rows.data, rows.indices, rows.indptr)]]
        if hasattr(value, "columns") and hasattr(value, "iloc"):
            cells = [
                self._array(value.iloc[:, i].to_numpy(dtype=_plain(value.dtypes.iloc[i])))
                for i in range(value.shape[1])
            ]
            return [FRAME, [self.pack(c) for c in value.columns.tolist()], cells]
        if "memoryview" in type(value).__name__:
            return self._array(np.asarray(value))
        if hasattr(value, "to_numpy"):
            return self._array(value.to_numpy())
        return None if self._describe is None else self._describe(value, self)


def _plain(dtype: Any) -> Any:
    """The type of NumPy's in which a column of pandas is handed over."""
    return dtype if isinstance(dtype, np.dtype) else object


def unpack(node: Any, blobs: Any, thing: Any = None) -> Any:
    """The value of a node. `thing` makes one of an object that is no data."""
    if not isinstance(node, list):
        return node
    kind = node[0]
    if kind == ARRAY:
        dtype = np.dtype(node[1] if isinstance(node[1], str) else [tuple(field) for field in node[1]])
        return np.frombuffer(blobs[node[3]], dtype).reshape(node[2]).copy()
    if kind == OBJECTS:
        made = np.empty(len(node[2]), dtype=object)
        made[:] = [unpack(v, blobs, thing) for v in node[2]]
        return made.reshape(node[1])
    if kind == THING:
        return thing(node, blobs)
    return _unpack_plain(kind, node, lambda inner: unpack(inner, blobs, thing))


def _unpack_plain(kind: str, node: Any, value: Any) -> Any:
    if kind == SCALAR:
        return value(node[1])[()]
    if kind in (LIST, TUPLE):
        return (list if kind == LIST else tuple)(value(v) for v in node[1])
    if kind == DICT:
        return {value(k): value(v) for k, v in node[1]}
    if kind == BYTES:
        return node[1].encode("latin-1")
    if kind == SLICE:
        return slice(*[value(v) for v in node[1]])
    if kind == NAME:
        found = getattr(np, node[2], None) if node[1].startswith("numpy") else None
        return found if isinstance(found, type) else {"int": int, "float": float, "str": str}.get(node[2])
    if kind == SPARSE:
        import scipy.sparse

        return scipy.sparse.csr_matrix(tuple(value(a) for a in node[2]), shape=node[1])
    if kind == FRAME:
        import pandas

        frame = pandas.DataFrame(collections.OrderedDict(enumerate([value(a) for a in node[2]])))
        frame.columns = [value(c) for c in node[1]]
        return frame
    raise ValueError(f"no node: {kind!r}")


# -- what is asked -------------------------------------------------------------------------------------------------

METHODS = (
    *(
        "predict",
        "predict_proba",
        "decision_function",
        "transform",
        "fit",
        "fit_predict",
        "score_samples",
        "kneighbors",
    ),
    *("predict_log_proba", "inverse_transform", "get_feature_names_out"),
)


class Model:
    """The model that was read, with every object of it that was told of, by number."""

    def __init__(self, late: bool) -> None:
        self.things = []  # type: Any
        self._whole = True
        self._numbers = {}  # type: Any
        self._reader = _beside("foreign_reader")
        if late:
            imports = _beside("foreign_imports")
            imports.put_off()
            own = [thing for thing in vars(self._reader).values() if isinstance(thing, types.ModuleType)]
            for module in (
                self._reader,
                *(m for m in own if m.__name__.startswith("foreign_")),
            ):  # what a file names is used
                module.importlib = types.SimpleNamespace(import_module=imports.import_real)

    def load(self, head: Any, blobs: Any) -> Any:
        """Read the file, or what it was unpacked to where that came along; tell of it."""
        self._whole = head["whole"]
        return self._reader.read_file(head["path"], blobs[0] if blobs else None)

    def get(self, head: Any, blobs: Any) -> Any:
        """An attribute."""
        thing = self.things[head["of"]]
        if head["name"] == "_estimator_type" and not hasattr(thing, "_estimator_type"):
            from sklearn.utils import get_tags

            return get_tags(thing).estimator_type
        found = getattr(thing, head["name"])
        bound = callable(found) and getattr(found, "__self__", None) is thing
        return {METHOD: head["name"]} if bound else found

    def call(self, head: Any, blobs: Any) -> Any:
        """What a method returns."""
        method = getattr(self.things[head["of"]], head["name"])
        return method(*[unpack(node, blobs) for node in head["values"]])

    def describe(self, thing: Any, packer: Any) -> Any:
        """The node of an object: with its state the first time, with its number alone after that."""
        known = id(thing) in self._numbers
        number = self._numbers.setdefault(id(thing), len(self.things))
        if known:
            return [THING, number]
        self.things.append(thing)
        if "n_jobs" in getattr(thing, "__dict__", {}):  # threads of many small calls cost more than they gain
            thing.n_jobs = 1
        told = _state_of(thing) if self._whole else _brief_state_of(thing)
        state = {name: packer.pack(value) for name, value in told}
        methods = [name for name in METHODS if _has(thing, name)]
        return [THING, number, type(thing).__module__, type(thing).__name__, state, methods]


def _beside(name: str) -> Any:
    """Another file of the foreign side."""
    module = types.ModuleType(name)  # type: Any
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    sys.dont_write_bytecode = True  # of ours: the package may be another user's
    SourceFileLoader(name, path).exec_module(module)
    sys.dont_write_bytecode = False
    return module


def _has(thing: Any, name: str) -> bool:
    try:
        return callable(getattr(thing, name, None))
    except Exception:  # conditional methods raise what their condition raises
        return False


def _state_of(thing: Any) -> Any:
    """Its attributes; of compiled classes, whatever can be read."""
    if hasattr(thing, "__dict__"):
        return list(vars(thing).items())
    found = []
    for name in dir(thing) if type(thing).__module__.startswith("sklearn.") else ():
        if not name.startswith("_"):
            try:
                value = getattr(thing, name)
            except Exception:  # of a class that was restored half
                continue
            if not callable(value):
                found.append((name, value))
    return found


MOST_ENTRIES, MOST_BYTES = 10000, 2**22


def _brief_state_of(thing: Any) -> Any:
    """The same without what serving does not ask for: insides of compiled classes, vocabularies, great arrays."""
    return [(name, value) for name, value in getattr(thing, "__dict__", {}).items() if not _is_great(value)]


def _is_great(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) > MOST_ENTRIES
    return isinstance(value, np.ndarray) and value.nbytes > MOST_BYTES


def main(*arguments: str) -> None:
    """Answer until the other side hangs up. Arguments: `late` to put imports off, and a file to load at once."""
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever a library prints is no answer
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10000)
    model = Model("late" in arguments[:1])
    early = [({"do": "load", "path": file, "whole": False}, []) for file in arguments[1:]]  # type: Any
    while True:
        try:
            head, blobs = early.pop() if early else read_frame(source)
        except EOFError:
            return
        packer = Packer(model.describe)
        try:
            node = packer.pack({"load": model.load, "get": model.get, "call": model.call}[head["do"]](head, blobs))
            write_frame(answers, {"value": node}, packer.blobs)
        except Exception as error:
            kind = type(error).__name__
            write_frame(answers, {"error": str(error)[:2000], "kind": kind}, [])


if __name__ == "__main__":
    main(*sys.argv[1:])

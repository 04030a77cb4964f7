"""Which classes and functions a model file may name in a native environment, and what is made of them.

Classes of the known libraries are made without their constructors, and the functions that pickles of them call are ours. It runs
beside `foreign.py` in the interpreter of that environment, so it is written for Python 3.6 and imports nothing of ours.
"""

import collections
import importlib
import os
import re
import types
import zlib
from typing import Any

import numpy as np

# -- what a file may name ------------------------------------------------------------------------------------------


class Refused(Exception):
    """A file names or does what no model needs."""


class Permit:
    """Stands on the stack of the unpickler for a class or function, so that a file can neither store nor pass the thing itself."""

    def __init__(self, name: str, cls: Any = None, make: Any = None) -> None:
        self.name, self.cls, self.make = name, cls, make

    def blank(self) -> Any:
        """An instance whose constructor has not run."""
        if self.cls is None:
            raise Refused(f"{self.name} is a function, and is used as a class")
        return self.cls.__new__(self.cls)

    def call(self, arguments: Any) -> Any:
        """What the file asked for."""
        if self.make is None:
            raise Refused(f"{self.name} may be restored, not called with arguments")
        return self.make(*arguments)


class Unused:
    """Stands for what a fitted model keeps and never uses to predict."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Forget it."""


def _words(text: str) -> Any:
    return frozenset(text.split())


_PARTS = _words(
    "_loss base calibration cluster compose covariance cross_decomposition decomposition discriminant_analysis dummy "
    "ensemble feature_extraction feature_selection frozen gaussian_process grid_search impute isotonic "
    "kernel_approximation kernel_ridge lda linear_model manifold metrics mixture model_selection multiclass "
    "multioutput naive_bayes neighbors neural_network pipeline preprocessing qda random_projection semi_supervised "
    "svm tree cross_validation learning_curve"
)
_HELPERS = re.compile(r"sklearn\.utils\.(_bunch|_metadata_requests|fixes|deprecation|validation|_random)")
_SCORES = re.compile(r"sklearn\.(metrics|feature_selection|preprocessing)\b.*")
_WORD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NUMPY_FUNCTIONS = _words(
    "abs absolute amax amin any all argmax argmin around asarray clip column_stack cumsum diff dot hstack max mean "
    "median min nan_to_num nanmax nanmean nanmedian nanmin nansum prod ravel reshape round squeeze std sum transpose "
    "var vstack where"
)
_PLAIN = {t.__name__: t for t in (bool, bytes, complex, dict, float, int, list, object, set, slice, str, tuple)}  # type: Any
_PLAIN.update({w.__name__: w for w in (DeprecationWarning, FutureWarning, UserWarning)})  # old searches keep them


def resolve(module: str, name: str) -> Any:
    """What stands for a global. Raises Refused before anything of `module` is imported."""
    full = f"{module}.{name}"
    if _WORD.fullmatch(module) is None or _WORD.fullmatch(name) is None or "." in name:
        raise Refused(f"{full} is a way to something inside a module, not a name")
    found = _find(module, name, full)
    if found is None:
        raise Refused(f"{full} is not on the list of what a model file may hold")
    return found


def _find(module: str, name: str, full: str) -> Any:
    root = module.partition(".")[0]
    if root in ("builtins", "__builtin__") and name != "bytearray":
        return _PLAIN.get({"unicode": "str", "long": "int"}.get(name, name))
    if module.endswith("joblib.numpy_pickle") and name in _OF_JOBLIB:
        return Permit(full, _OF_JOBLIB[name])
    if module.startswith(("scipy.stats", "numpy.random")) or ".joblib." in "." + module:  # predictions use none of it
        return Permit(full, Unused, Unused)
    if root == "numpy":
        return _find_numpy(name, full)
    if root == "scipy":
        return _find_scipy(module, name, full)
    if root == "sklearn":
        return _find_sklearn(module, name, full)
    if root == "pandas":
        return _find_pandas(module, name, full)
    if root in ("xgboost", "lightgbm", "catboost", "imblearn"):
        return _find_beside(module, name, full)
    if module == "_loss":
        return _find_sklearn("sklearn._loss._loss", name, full)
    make = _CALLS.get((module, name))
    return None if make is None else Permit(full, make if isinstance(make, type) else None, make)


def _find_numpy(name: str, full: str) -> Any:
    if name in _NUMPY_CALLS:
        return Permit(full, make=_NUMPY_CALLS[name])
    if name in ("ndarray", "memmap"):
        return Permit(full, np.ndarray)
    if name in ("matrix", "recarray"):
        return Permit(full, getattr(np, name))
    if name in ("MaskedArray", "MaskedConstant"):
        return Permit(full, np.ma.MaskedArray)
    found = getattr(np, name, None)
    scalar = isinstance(found, type) and issubclass(found, np.generic)
    return found if scalar or isinstance(found, np.ufunc) or name in _NUMPY_FUNCTIONS else None


def _find_scipy(module: str, name: str, full: str) -> Any:
    if module.startswith("scipy.sparse") and re.fullmatch(r"(bsr|coo|csc|csr|dia|dok|lil)_(matrix|array)", name):
        return Permit(full, getattr(importlib.import_module("scipy.sparse"), name))
    if module.startswith("scipy.interpolate") and name in ("BSpline", "PPoly", "interp1d"):
        return Permit(full, getattr(importlib.import_module("scipy.interpolate"), name))
    if module.startswith("scipy.special"):
        found = getattr(importlib.import_module("scipy.special"), name, None)
        return found if isinstance(found, np.ufunc) else None
    return None


def _find_sklearn(module: str, name: str, full: str) -> Any:
    parts = module.split(".")
    if full == "sklearn.utils.Bunch" or full == "sklearn.datasets.base.Bunch":
        return Permit(full, getattr(importlib.import_module("sklearn.utils"), "Bunch"))  # noqa: B009
    inside = len(parts) > 1 and parts[1] in _PARTS and "tests" not in parts
    if not inside and _HELPERS.fullmatch(module) is None:
        return None
    holder = importlib.import_module(module)
    if name == "newObj":
        return Permit(full, make=lambda permit: permit.blank())
    if name.startswith("__pyx_unpickle_"):
        return Permit(full, make=lambda permit, *rest: getattr(holder, name)(permit.cls, *rest))
    found = getattr(holder, name, None)
    if isinstance(found, (types.FunctionType, types.BuiltinFunctionType)):
        known = _SCORES.fullmatch(module) is not None and not name.startswith(("_", "fetch", "load", "dump"))
        return (
            found
            if known or name in ("check_array", "_identity", "_kmeans_single_lloyd", "_passthrough_scorer")
            else None
        )
    return _class(holder, name, full)


def _class(holder: Any, name: str, full: str) -> Any:
    found = getattr(holder, name, None)
    if (
        not isinstance(found, type)
        or issubclass(found, BaseException)
        or found.__module__.split(".")[0] not in _LIBRARIES
    ):
        return None
    compiled = not str(getattr(holder, "__file__", ".py")).endswith(".py")
    return Permit(full, found, found if compiled or issubclass(found, tuple) else None)


_LIBRARIES = frozenset(("sklearn", "pandas", "_loss", "xgboost", "lightgbm", "catboost", "imblearn"))


_BESIDE = re.compile(
    r"xgboost\.core\.Booster|xgboost\.sklearn\.XGB\w+|xgboost\.compat\.XGBoostLabelEncoder"
    r"|xgboost\.callback\.(EarlyStopping|EvaluationMonitor|LearningRateScheduler)"
    r"|lightgbm\.basic\.Booster|lightgbm\.sklearn\.LGBM\w+|lightgbm\.compat\._LGBM\w+"
    r"|catboost\.core\.CatBoost(Classifier|Regressor|Ranker)?"
    r"|imblearn\.(pipeline|(ensemble|over_sampling|under_sampling|combine)(\.\w+)*)\.\w+"
)
"""Of libraries whose objects stand beside those of scikit-learn."""


def _find_beside(module: str, name: str, full: str) -> Any:
    return _class(importlib.import_module(module), name, full) if _BESIDE.fullmatch(full) else None


def _find_pandas(module: str, name: str, full: str) -> Any:
    if name == "_new_Index":
        return Permit(full, make=_new_index)
    if name in ("_unpickle_block", "__pyx_unpickle_NDArrayBacked"):
        function = getattr(importlib.import_module(module), name)
        return Permit(full, make=lambda first, *rest: function(getattr(first, "cls", first), *rest))
    known = (
        "BlockManager",
        "SingleBlockManager",
        "DataFrame",
        "Series",
        "CategoricalDtype",
        "Categorical",
        "StringDtype",
    )
    if not name.endswith("Index") and not name.endswith("Array") and name not in known:
        return None
    permit = _class(importlib.import_module(module), name, full)
    return permit and Permit(full, permit.cls, permit.cls if name.endswith(("Manager", "Dtype")) else None)


_INDEX = _words("data name names levels codes labels sortorder start stop step")


def _new_index(permit: Any, values: Any) -> Any:
    from pandas.core.indexes.base import _new_Index

    if not isinstance(values, dict) or not set(values) <= _INDEX:
        raise Refused("an index of pandas is made of what none has")
    return _new_Index(permit.cls, values)


# -- how what it names is made -------------------------------------------------------------------------------------


def _dtype(spec: Any, align: Any = False, copy: Any = False) -> Any:
    if not isinstance(spec, (str, type)):
        raise Refused("a type of NumPy is made of something that is neither a text nor a type")
    return np.dtype(spec, bool(align), True)


def _empty(permit: Any, shape: Any, _: Any) -> Any:
    if shape != (0,) or not issubclass(permit.cls, np.ndarray):
        raise Refused("an array is made in a way that no file of one has")
    return np.ndarray.__new__(permit.cls, (0,), np.int8)


def _masked(permit: Any, *_: Any) -> Any:
    return np.ma.MaskedArray.__new__(np.ma.MaskedArray, np.zeros(0, np.int8), mask=np.zeros(0, bool))


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    array = np.frombuffer(bytearray(data), _sound(dtype))
    return (
        array.reshape(shape).transpose(axes) if order == "K" and axes is not None else array.reshape(shape, order=order)
    )


def _scalar(dtype: Any, data: Any = b"") -> Any:
    data = data.encode("latin-1") if isinstance(data, str) else data
    if _sound(dtype).itemsize != len(data):
        raise Refused("a number of NumPy is made of too few or too many bytes")
    return np.frombuffer(data, dtype)[0] if data else np.zeros((), dtype)[()]


def _sound(dtype: Any) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise Refused("bytes would be read as references to objects")
    return dtype


def _bytes(data: Any = b"", *_: Any) -> Any:
    return data.encode("latin-1") if isinstance(data, str) else bytes(data)


def _reconstruct(permit: Any, base: Any, state: Any) -> Any:
    made = permit.blank() if base is object else base.__new__(permit.cls)
    if base in (dict, list):
        dict.update(made, state) if base is dict else list.extend(made, state)
    return made


def _partial(function: Any) -> Any:
    import functools

    if isinstance(function, (Permit, type)) or not callable(function):
        raise Refused("functools.partial is made of something else than a function that computes")
    return functools.partial(function)


def _default_dict(factory: Any = None) -> Any:
    return collections.defaultdict(factory if factory in (int, float, list, dict, set) else None)


_NUMPY_CALLS = {
    "_reconstruct": _empty,
    "scalar": _scalar,
    "dtype": _dtype,
    "_frombuffer": _from_buffer,
    "_mareconstruct": _masked,
    "_ufunc_reconstruct": lambda module, name: _ufunc(name),
}  # type: Any
_CALLS = {
    ("copyreg", "_reconstructor"): _reconstruct,
    ("copy_reg", "_reconstructor"): _reconstruct,
    ("_codecs", "encode"): _bytes,
    ("builtins", "bytearray"): lambda *given: bytearray(_bytes(*given)),  # which boosters read themselves from
    ("functools", "partial"): _partial,
    ("collections", "defaultdict"): _default_dict,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("collections", "deque"): collections.deque,
}  # type: Any
VALUES = frozenset((set, list, tuple, dict, bytes, object, complex, slice, frozenset))
"""Plain types that files call."""


def _ufunc(name: str) -> Any:
    found = getattr(np, str(name), None)
    if not isinstance(found, np.ufunc):
        raise Refused(f"{name} is no function of NumPy for arrays")
    return found


def _exactly(file: Any, size: int) -> bytes:
    data = bytes(file.read(size))
    if len(data) != size:
        raise EOFError("the file ends too early")
    return data


# -- arrays of joblib ----------------------------------------------------------------------------------------------


def _shaped(data: bytes, dtype: Any, shape: Any, fortran: Any) -> Any:
    """An array of just these bytes, which can be written to."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise Refused("bytes would be read as references to objects")
    count = 1
    for n in shape:
        count *= int(n)
    if min(shape, default=0) < 0 or len(data) != count * dtype.itemsize:
        raise Refused("an array says that it has more or fewer elements than came")
    array = np.frombuffer(data, dtype).copy() if data else np.empty(count, dtype)
    return array.reshape(shape[::-1]).transpose() if fortran else array.reshape(shape)


class StoredArray:
    """What joblib puts in place of an array, whose bytes follow in the file."""

    shape = ()  # type: Any
    dtype = None  # type: Any
    order = "C"
    numpy_array_alignment_bytes = None

    def read(self, file: Any, nested: Any) -> Any:
        """The array."""
        if not isinstance(self.dtype, np.dtype):
            raise Refused("an array without a type")
        if self.dtype.hasobject:
            return nested()
        if self.numpy_array_alignment_bytes is not None:
            _exactly(file, _exactly(file, 1)[0])
        count = 1
        for n in self.shape:
            count *= int(n)
        return _shaped(_exactly(file, count * self.dtype.itemsize), self.dtype, self.shape, self.order == "F")


class ArrayBeside:
    """What joblib before 0.10 put in place of an array: the name of a file of NumPy's format beside the model's."""

    filename = ""  # type: Any
    subclass = None  # type: Any

    def read(self, path: str, nested: Any) -> Any:
        """The array; `path` is the model's file, `nested` unpickles an array of objects from an open file."""
        with open(_place(path, self.filename), "rb") as file:
            version = np.lib.format.read_magic(file)
            later = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = (np.lib.format.read_array_header_1_0 if version == (1, 0) else later)(file)
            array = nested(file) if dtype.hasobject else _shaped(file.read(), dtype, shape, fortran)
        cls = self.subclass.cls if isinstance(self.subclass, Permit) else np.ndarray
        if cls not in (np.ndarray, np.matrix) or not isinstance(array, np.ndarray):
            raise Refused("a file beside the model holds something that is no array")
        return array.view(cls) if cls is np.matrix else array


class PackedArrayBeside:
    """The same of packed files: the array's own state, without its bytes, which are in the file."""

    filename = ""  # type: Any
    init_args = None  # type: Any
    state = None  # type: Any

    def read(self, path: str, _: Any) -> Any:
        """The array."""
        if not isinstance(self.state, tuple) or len(self.state) != 4:
            raise Refused("an array without shape or type")
        with open(_place(path, self.filename), "rb") as file:
            _, shape, dtype, fortran = self.state
            return _shaped(unpack_zfile(file), dtype, shape, fortran)


ARRAYS_BESIDE = (ArrayBeside, PackedArrayBeside)
STAND_INS = (StoredArray, Unused, *ARRAYS_BESIDE)
"""What takes something else in place of the state that the file gives it."""

_OF_JOBLIB = {"NumpyArrayWrapper": StoredArray, "NDArrayWrapper": ArrayBeside, "ZNDArrayWrapper": PackedArrayBeside}  # type: Any
_COMPANION = re.compile(r"_\d{2,5}\.npy(\.z)?")


def _place(path: str, name: Any) -> str:
    """A file beside the model, called as joblib called it. What leads elsewhere is not followed, by whatever name or link."""
    folder, own = os.path.split(path)
    named = isinstance(name, str) and own and name.startswith(own + "_")
    if not named or _COMPANION.fullmatch(name[len(own) :]) is None:
        raise Refused(f"an array lies in {str(name)[:100]!r}, and those of this file in {own}_01.npy and so on")
    place = os.path.join(folder, name)
    if not os.path.isfile(place):
        raise Refused(f"{name} is missing: copy it into the same folder")
    real = os.path.dirname(os.path.realpath(place))
    if real not in (os.path.realpath(folder), os.path.dirname(os.path.realpath(path))):
        raise Refused(f"{name} is a link to another folder: put the file itself beside the model")
    return place


def unpack_zfile(file: Any) -> bytes:
    """What joblib before 0.10 packed, never more than it says: behind two letters stands the size, 19 digits, 20 of Python 2."""
    head, data = _exactly(file, 21), file.read()
    if not head.startswith(b"ZF"):
        raise Refused("a file beside the model is no packed array of joblib")
    size = int(head[2:], 16)
    if size > max(64 * 2**20, len(data) * 100):  # what a file of its size may hold, as our side has it
        raise Refused("what joblib packed says that it unpacks too far")
    unpacked = zlib.decompressobj().decompress(data[1:] if data[:1] == b" " else data, size + 1)
    if len(unpacked) != size:
        raise Refused("what joblib packed has another size than it says")
    return unpacked

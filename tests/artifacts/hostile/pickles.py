"""Hostile pickles by name: the bytes, and what the refusal must say besides the file's name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from collections.abc import Callable
from typing import Any

from tests.artifacts.hostile.opcodes import STOP, Raw, built, call, named, new, plain, stacked, whole

CANARY_MODULE = "hostile_canary_module"
EXTENSION = 0xF0
"""The number under which the watched process has registered `os.system`, as another library might."""

BOMB_BYTES = 300 * 2**20


def system(canary: str) -> Raw:
    """Runs a command that leaves a file."""
    return call(named("posix", "system"), f"touch {canary}")


def write(canary: str) -> str:
    """Python code that leaves a file."""
    return f"open({canary!r}, 'w').close()"


# -- functions that run code -----------------------------------------------------------------------------------------

CALLS: dict[str, tuple[Callable[[str], Any], str]] = {
    "posix.system": (system, "posix.system"),
    "os.system": (lambda c: call(stacked("os", "system"), f"touch {c}"), "os.system"),
    "eval": (lambda c: call(named("builtins", "eval"), write(c)), "builtins.eval"),
    "eval of Python 2": (
        lambda c: whole(call(named("__builtin__", "eval"), write(c)), 2),
        "could run code: builtins.eval",
    ),
    "exec": (lambda c: call(named("builtins", "exec"), write(c)), "builtins.exec"),
    "open": (lambda c: call(named("builtins", "open"), c, "w"), "builtins.open"),
    "import": (lambda c: call(named("builtins", "__import__"), CANARY_MODULE), "builtins.__import__"),
    "getattr": (lambda c: call(named("builtins", "getattr"), named("numpy", "ndarray"), "tofile"), "builtins.getattr"),
    "resolve_name": (lambda c: call(named("pkgutil", "resolve_name"), "os:system"), "pkgutil.resolve_name"),
    "importlib": (lambda c: call(named("importlib", "import_module"), CANARY_MODULE), "importlib.import_module"),
    "a module on the path": (lambda c: call(named(CANARY_MODULE, "run")), f"{CANARY_MODULE}.run"),
    "subprocess": (lambda c: call(named("subprocess", "Popen"), ["touch", c]), "subprocess.Popen"),
    "socket": (lambda c: call(named("socket", "create_connection"), ("127.0.0.1", 9)), "socket.create_connection"),
    "runpy": (lambda c: call(named("runpy", "run_path"), c), "runpy.run_path"),
    "attrgetter": (lambda c: call(named("operator", "attrgetter"), "system"), "operator.attrgetter"),
    "methodcaller": (lambda c: call(named("operator", "methodcaller"), "tofile", c), "operator.methodcaller"),
    "a function's code": (lambda c: call(named("types", "CodeType"), 0), "types.CodeType"),
    "cloudpickle": (lambda c: call(named("cloudpickle.cloudpickle", "subimport"), CANARY_MODULE), "cloudpickle."),
    "map": (lambda c: call(named("builtins", "list"), call(named("builtins", "map"), system(c), [1])), "builtins.map"),
}

# -- ways around a list of names -------------------------------------------------------------------------------------

DETOURS: dict[str, tuple[Callable[[str], Any], str]] = {
    "a dotted name": (lambda c: call(stacked("sklearn.base", "warnings.sys.modules"), c), "warnings.sys.modules"),
    "a module of a library": (
        lambda c: call(named("numpy.testing._private.utils", "runstring"), write(c), {}),
        "runstring",
    ),
    "an imported module": (lambda c: built(named("sklearn.base", "warnings"), {"warn": 1}), "sklearn.base.warnings"),
    "numpy.load": (lambda c: call(named("numpy", "load"), c), "numpy.load"),
    "numpy.memmap": (lambda c: call(named("numpy", "memmap"), c, "uint8", "w+", 0, (1,)), "numpy.memmap"),
    "a ufunc of os": (lambda c: call(named("numpy.core", "_ufunc_reconstruct"), "os", "system"), "os.system"),
    "f2py": (lambda c: call(named("numpy.f2py.crackfortran", "myeval"), write(c)), "numpy.f2py.crackfortran.myeval"),
    "joblib.load": (lambda c: call(named("joblib", "load"), c), "joblib.load"),
    "pandas.eval": (lambda c: call(named("pandas", "eval"), write(c)), "pandas.eval"),
    "pandas.read_pickle": (lambda c: call(named("pandas", "read_pickle"), c), "pandas.read_pickle"),
    "a download": (lambda c: call(named("sklearn.datasets", "fetch_openml"), "iris"), "sklearn.datasets.fetch_openml"),
    "a test of scikit-learn": (lambda c: call(named("sklearn.svm.tests.test_svm", "test_svc")), "sklearn.svm.tests"),
    "a booster from a path": (lambda c: call(named("xgboost.core", "Booster"), None, (), c), "xgboost.core.Booster"),
    "a matrix from a path": (lambda c: call(named("xgboost.core", "DMatrix"), c), "xgboost.core.DMatrix"),
    "partial": (lambda c: call(named("functools", "partial"), named("os", "system")), "os.system"),
    "a default factory": (lambda c: call(named("collections", "defaultdict"), named("os", "system")), "os.system"),
    "a factory that is a class": (
        lambda c: call(named("collections", "defaultdict"), named("xgboost.core", "Booster")),
        "collections.defaultdict",
    ),
    "INST": (lambda c: Raw(pickle.MARK + plain(f"touch {c}") + pickle.INST + b"os\nsystem\n"), "os.system"),
    "OBJ": (lambda c: Raw(pickle.MARK + named("os", "system").code + plain(f"touch {c}") + pickle.OBJ), "os.system"),
    "NEWOBJ_EX": (
        lambda c: Raw(named("numpy", "ndarray").code + plain(()) + plain({"shape": 1}) + pickle.NEWOBJ_EX),
        "numpy.ndarray",
    ),
    "an extension": (lambda c: call(Raw(pickle.EXT1 + bytes([EXTENSION])), f"touch {c}"), "copyreg extension 240"),
    "a persistent id": (lambda c: Raw(plain("secret") + pickle.BINPERSID), "persistent id"),
    "a random state": (
        lambda c: call(named("numpy.random._pickle", "__randomstate_ctor"), c, named("xgboost.core", "Booster")),
        "is no generator of NumPy",
    ),
    "a transformer of os.system": (
        lambda c: new(
            named("sklearn.preprocessing._function_transformer", "FunctionTransformer"), {"func": named("os", "system")}
        ),
        "os.system",
    ),
    "a transformer of a class": (
        lambda c: new(
            named("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
            {"func": named("xgboost.core", "Booster")},
        ),
        "xgboost.core.Booster",
    ),
    "a class changed": (
        lambda c: built(named("sklearn.linear_model._logistic", "LogisticRegression"), (None, {"predict": 1})),
        "would be changed for the whole process",
    ),
    "a function changed": (
        lambda c: built(named("sklearn.metrics._classification", "f1_score"), {"__wrapped__": 1}),
        "would be changed for the whole process",
    ),
    "a special attribute": (
        lambda c: new(
            named("sklearn.linear_model._logistic", "LogisticRegression"),
            (None, {"__class__": named("builtins", "dict")}),
        ),
        "LogisticRegression.__class__",
    ),
    "a vectorizer of files": (
        lambda c: new(named("sklearn.feature_extraction.text", "CountVectorizer"), {"input": "filename"}),
        "opens files that callers name",
    ),
    "a data set that frees memory": (
        lambda c: new(named("lightgbm.sklearn", "Dataset"), {"_handle": 2**20}),
        "lightgbm.sklearn.Dataset",
    ),
    "a matrix that frees memory": (lambda c: new(named("xgboost.sklearn", "DMatrix"), {"handle": 2**20}), "DMatrix"),
    "a time zone that is a file": (
        lambda c: call(named("pandas", "DatetimeTZDtype"), "ns", f"dateutil/{c}"),
        "pandas.DatetimeTZDtype",
    ),
    "an index in such a time zone": (
        lambda c: call(
            named("pandas.core.indexes.base", "_new_Index"),
            named("pandas", "Index"),
            {"data": [], "dtype": f"datetime64[ns, dateutil/{c}]"},
        ),
        "_new_Index",
    ),
    "a wrapper around nothing": (
        lambda c: new(named("xgboost.sklearn", "XGBClassifier"), {"_Booster": [], "missing": 0.0}),
        "XGBClassifier",
    ),
    "a class of a notebook": (lambda c: new(named("__main__", "Model")), "modelport.save(model, "),
    "a class of somebody's package": (
        lambda c: new(named("their_package.models", "Model")),
        "their_package.models.Model",
    ),
    "arrays in other files": (
        lambda c: new(
            named("joblib.numpy_pickle", "NDArrayWrapper"),
            {"filename": "../secret.npy", "subclass": None, "allow_mmap": True},
        ),
        "give the model its old name",
    ),
    "arrays in other packed files": (
        lambda c: new(named("joblib.numpy_pickle", "ZNDArrayWrapper"), {"filename": "/etc/passwd"}),
        "give the model its old name",
    ),
}

# -- memory and time -------------------------------------------------------------------------------------------------


def _lying_dtype(_: str) -> Raw:
    """A structure of one object whose flags say that it holds plain bytes: they would be read as a pointer."""
    pointer = built(call(named("numpy", "dtype"), "O8", False, True), (3, "|", None, None, None, -1, -1, 63))
    lying = (3, "|", None, ("a",), {"a": (pointer, 0)}, 8, 8, 0)
    return built(call(named("numpy", "dtype"), "V8", False, True), lying)


def _laughs(_: str) -> Raw:
    """A key of 2**60 parts, in a few hundred bytes."""
    code = plain(()) + b"".join(pickle.DUP + pickle.TUPLE2 for _ in range(60))
    return Raw(pickle.EMPTY_DICT + code + pickle.NONE + pickle.SETITEM)


def _deep(_: str) -> Raw:
    """A key that is 200,000 tuples deep."""
    return Raw(pickle.EMPTY_DICT + plain(()) + pickle.TUPLE1 * 200_000 + pickle.NONE + pickle.SETITEM)


def _joblib_array(shape: tuple[int, ...]) -> Raw:
    array = {
        "subclass": named("numpy", "ndarray"),
        "shape": shape,
        "order": "C",
        "dtype": call(named("numpy", "dtype"), "u1"),
    }
    return new(named("joblib.numpy_pickle", "NumpyArrayWrapper"), array)


def _endless(_: str) -> Raw:
    """A pipeline whose first step is itself."""
    pipeline = named("sklearn.pipeline", "Pipeline").code + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.BINPUT + b"\x00"
    itself = Raw(pickle.BINGET + b"\x00")
    return built(Raw(pipeline), {"steps": [("a", itself)]})


def _short_array(_: str) -> Raw:
    """A thousand objects of which none came."""
    objects = built(call(named("numpy", "dtype"), "O8", False, True), (3, "|", None, None, None, -1, -1, 63))
    empty = call(named("numpy.core.multiarray", "_reconstruct"), named("numpy", "ndarray"), (0,), b"b")
    return built(empty, (1, (1000,), objects, False, []))


WEIGHTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "a lying type": (_lying_dtype, "says something wrong of memory"),
    "an array of memory": (_short_array, "more or fewer elements than came"),
    "a key of many parts": (_laughs, "is nested too deeply"),
    "a deep key": (_deep, "is nested too deeply"),
    "a large array": (lambda c: _joblib_array((2**44,)), "cannot be unpickled"),
    "a large text": (lambda c: Raw(pickle.BINUNICODE8 + (2**44).to_bytes(8, "little")), "cannot be unpickled"),
    "a large array of bytes": (
        lambda c: Raw(pickle.BYTEARRAY8 + (2**36).to_bytes(8, "little")),
        "cannot be unpickled",
    ),
    "a large frame": (lambda c: Raw(pickle.FRAME + (2**44).to_bytes(8, "little")), "cannot be unpickled"),
    "a list of a range": (
        lambda c: call(named("builtins", "list"), call(named("builtins", "range"), 2**44)),
        "is made of something that is no list",
    ),
    "empty memory": (lambda c: call(named("builtins", "bytearray"), 2**44), "bytearray"),
    "a model inside itself": (_endless, "contains itself"),
}

# -- packed and hidden -----------------------------------------------------------------------------------------------


def after_an_array(canary: str) -> bytes:
    """Where scanners of opcodes stop: behind the bytes of an array that joblib has put between them."""
    head = pickle.PROTO + b"\x04" + pickle.MARK + _joblib_array((4,)).code
    return head + b"...." + system(canary).code + pickle.LIST + STOP


def inside_an_array(canary: str) -> bytes:
    """In the pickle of its own that an array of objects is."""
    array = {
        "subclass": named("numpy", "ndarray"),
        "shape": (1,),
        "order": "C",
        "dtype": built(call(named("numpy", "dtype"), "O8", False, True), (3, "|", None, None, None, -1, -1, 63)),
    }
    return whole(new(named("joblib.numpy_pickle", "NumpyArrayWrapper"), array))[:-1] + whole(system(canary)) + STOP


def forged_distribution(canary: str) -> bytes:
    """Distributions of SciPy run the text of an attribute as code when they are restored."""
    state = {"_parse_arg_template": write(canary), "_ctor_param": {}, "_updated_ctor_param": {}}
    return whole(new(named("scipy.stats._continuous_distns", "norm_gen"), state))


def _zipped(data: bytes) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.pkl", data)
    return buffer.getvalue()


PACKED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "behind an array": (after_an_array, "posix.system"),
    "inside an array": (inside_an_array, "posix.system"),
    "a distribution": (forged_distribution, "not a model"),
    "zlib": (lambda c: zlib.compress(whole(system(c))), "posix.system"),
    "gzip": (lambda c: gzip.compress(whole(system(c))), "posix.system"),
    "bzip2": (lambda c: bz2.compress(whole(system(c))), "posix.system"),
    "xz": (lambda c: lzma.compress(whole(system(c))), "posix.system"),
    "lzma": (lambda c: lzma.compress(whole(system(c)), lzma.FORMAT_ALONE), "posix.system"),
    "gzip in gzip": (lambda c: gzip.compress(gzip.compress(whole(system(c)))), "cannot be unpickled"),
    "zip": (lambda c: _zipped(whole(system(c))), "is a zip archive"),
    "old joblib": (lambda c: b"ZF0x10" + b" " * 15 + zlib.compress(whole(system(c))), "posix.system"),
    "a zlib bomb": (lambda c: zlib.compress(_bomb(), 9), "as archive bombs do"),
    "a bzip2 bomb": (lambda c: bz2.compress(_bomb()), "as archive bombs do"),
    "an xz bomb": (lambda c: lzma.compress(_bomb(), preset=0), "as archive bombs do"),
}


def _bomb() -> bytes:
    """A good pickle of one long text."""
    return pickle.dumps(b"\0" * BOMB_BYTES)

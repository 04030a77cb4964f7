"""The allow-list: which globals a pickle may name, and what it gets for them.

Three kinds of things are on it: data types, which are restored without running their constructors; the few functions that
pickles of them call, each with its arguments checked; and functions that models store and call when they predict, all of which
only compute. A global is looked up here by name before anything is imported for it.
"""

from __future__ import annotations

import re
from types import BuiltinFunctionType, FunctionType
from typing import Any

from modelport.artifacts.pickles.arrays import JoblibArray, find_numpy
from modelport.artifacts.pickles.beside import ArrayBeside, PackedArrayBeside
from modelport.artifacts.pickles.frames import find_arrow, find_pandas
from modelport.artifacts.pickles.permit import Gone, Permit, Refused, Unused, class_of, import_library, words
from modelport.artifacts.pickles.plain import find_plain

_WORD = re.compile(r"[^\W\d]\w*")

_SKLEARN = words(
    "_loss base calibration cluster compose covariance cross_decomposition decomposition discriminant_analysis dummy ensemble "
    "feature_extraction feature_selection frozen gaussian_process impute isotonic kernel_approximation kernel_ridge "
    "linear_model manifold metrics mixture model_selection multiclass multioutput naive_bayes neighbors neural_network "
    "pipeline preprocessing random_projection semi_supervised svm tree "
    "cross_validation grid_search hmm lda learning_curve qda"
)
"""The parts of scikit-learn that hold estimators, those of old releases last. Data sets, which download, and tests are none."""

_SKLEARN_HELPERS = frozenset({"sklearn.utils._bunch", "sklearn.utils._metadata_requests"})
_SKLEARN_FUNCTIONS = re.compile(
    r"sklearn\.(metrics\.(_classification|_regression|_ranking|pairwise|cluster\._(un)?supervised)"
    r"|feature_selection\._(univariate_selection|mutual_info)|preprocessing\._data)"
)
"""Scores and distances: models store them and call them on arrays."""

_SKLEARN_CHECKS = frozenset({"check_array"})
"""Of `sklearn.utils.validation`: histogram boosting stores it."""

_SKLEARN_PRIVATE = frozenset({"_kmeans_single_lloyd", "_kmeans_single_elkan", "_identity"})

_JOBLIB_ARRAY = re.compile(r"(sklearn\.externals\.)?joblib\.numpy_pickle")
_JOBLIB_FILES = {"NDArrayWrapper": ArrayBeside, "ZNDArrayWrapper": PackedArrayBeside}
_NEVER_USED = re.compile(r"scipy\.stats(\.\w+)*|(sklearn\.externals\.)?joblib\.(memory|logger|_store_backends)")

_CLASSES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("xgboost", "xgboost.core", "lightgbm", "lightgbm.basic"), frozenset({"Booster"})),
    **dict.fromkeys(
        ("catboost", "catboost.core"),
        frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"}),
    ),
}
_BOOSTER_CLASSES = re.compile(
    r"xgboost\.sklearn\.XGB\w+|lightgbm\.sklearn\.LGBM\w+|lightgbm\.compat\._LGBM\w+"
    r"|xgboost\.callback\.(EarlyStopping|EvaluationMonitor|LearningRateScheduler)"
)
"""Wrappers alone: the data sets beside them free the memory that an attribute points to."""

_IMBLEARN = re.compile(r"imblearn\.(pipeline|(ensemble|over_sampling|under_sampling|combine)(\.\w+)*)")


LIBRARIES = words("sklearn scipy pandas pyarrow xgboost lightgbm catboost imblearn")
"""Imported for what a pickle names of them."""


def resolve(module: str, name: str) -> Any:
    """A `Permit`, or a value that may be stored. Raises Refused before anything of `module` is imported."""
    full = f"{module}.{name}"
    if _WORD.fullmatch(name) is None or not all(_WORD.fullmatch(part) for part in module.split(".")):
        raise Refused(full, "is a way to something inside a module, not a name")
    found = find_plain(module, name)
    if found is None:
        found = _find(module, name)
    if found is None:
        raise Refused(full)
    return found


def _find(module: str, name: str) -> Any:
    full = f"{module}.{name}"
    if _JOBLIB_ARRAY.fullmatch(module):
        return _find_joblib(name, full)
    if _NEVER_USED.fullmatch(module):
        return Permit(full, Unused, Unused)
    match module.partition(".")[0]:
        case "numpy":
            return find_numpy(module, name)
        case "scipy":
            return _find_scipy(module, name)
        case "pandas":
            return find_pandas(module, name)
        case "pyarrow":
            return find_arrow(module, name)
        case "sklearn":
            return _find_sklearn(module, name)
    if module == "_loss":  # a part of scikit-learn 1.4 to 1.8 that was compiled under a name without its package
        raise Gone(full, "scikit-learn")
    if full == "xgboost.compat.XGBoostLabelEncoder":  # until 1.5 a copy of scikit-learn's
        return _class_permit(import_library("sklearn.preprocessing._label"), "LabelEncoder")
    if _BOOSTER_CLASSES.fullmatch(full) or name in _CLASSES.get(module, ()) or _IMBLEARN.fullmatch(module):
        return _class_permit(import_library(module), name)
    return None


def _find_joblib(name: str, full: str) -> Any:
    if name == "NumpyArrayWrapper":
        return Permit(full, JoblibArray)
    beside = _JOBLIB_FILES.get(name)
    return beside and Permit(full, beside)


def _find_scipy(module: str, name: str) -> Any:
    if module.startswith("scipy.sparse"):
        import scipy.sparse

        kinds = [
            kind + end for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil") for end in ("_matrix", "_array")
        ]
        return Permit(f"{module}.{name}", getattr(scipy.sparse, name)) if name in kinds else None
    if module.startswith("scipy.interpolate"):
        import scipy.interpolate

        return Permit(f"{module}.{name}", getattr(scipy.interpolate, name)) if name in ("BSpline", "PPoly") else None
    if module.startswith("scipy.special"):
        import numpy as np
        import scipy.special

        found = getattr(scipy.special, name, None)
        return found if isinstance(found, np.ufunc) else None
    if (module, name) == ("scipy._lib.array_api_compat.numpy._aliases", "asarray"):  # a BSpline stores it
        return getattr(import_library(module), name, None)
    return None


def _find_sklearn(module: str, name: str) -> Any:
    try:
        return _look_in_sklearn(module, name)
    except (Gone, ModuleNotFoundError) as error:
        if _OF_OLD_RELEASES.fullmatch(name) or (isinstance(error, ModuleNotFoundError) and error.name == "sklearn"):
            raise
        reason = "is neither on the list of what a model file may hold nor in the installed version of scikit-learn"
        raise Refused(f"{module}.{name}", reason) from None


_OF_OLD_RELEASES = re.compile(r"_*[A-Z]\w*|newObj|__pyx_unpickle_\w+")
"""What files of other releases may name: classes, and what restores compiled ones. Anything else that is missing never was."""


def _look_in_sklearn(module: str, name: str) -> Any:
    parts = module.split(".")
    if module == "sklearn.utils.validation" and name in _SKLEARN_CHECKS:
        return _present(import_library(module), name)
    if (module, name) == ("sklearn.utils", "Bunch"):
        return _class_permit(import_library("sklearn.utils"), name)
    if module not in _SKLEARN_HELPERS and (len(parts) < 2 or parts[1] not in _SKLEARN or "tests" in parts):
        return None
    if name.startswith("__pyx_unpickle_"):
        return Permit(f"{module}.{name}", make=_compiled(_present(import_library(module), name)))
    if name == "newObj":
        return Permit(f"{module}.{name}", make=_new)
    found = _present(import_library(module), name)
    if isinstance(found, (FunctionType, BuiltinFunctionType)):
        public = _SKLEARN_FUNCTIONS.fullmatch(module) and not name.startswith("_")
        return found if (public or name in _SKLEARN_PRIVATE) and found.__module__ == module else None
    return _class_permit(import_library(module), name)


def _new(permit: Any) -> Any:
    return class_of(permit) and permit.blank()


def _compiled(function: Any) -> Any:
    """How Cython restores its classes: it makes a blank one and hands it the state."""

    def make(permit: Any, *rest: Any) -> Any:
        if not class_of(permit).__module__.startswith("sklearn."):
            raise Refused(permit.name, "is no class of scikit-learn")
        return function(class_of(permit), *rest)

    return make


def _class_permit(module: Any, name: str) -> Permit | None:
    """A class that this very library defines. Compiled ones are restored by calling them, all others without."""
    root = module.__name__.partition(".")[0]
    found = _present(module, name)
    if not isinstance(found, type) or found.__module__.partition(".")[0] != root or issubclass(found, BaseException):
        return None
    if issubclass(found, tuple):
        return Permit(f"{module.__name__}.{name}", found, _named_tuple(found))
    compiled = not str(getattr(module, "__file__", ".py")).endswith(".py")
    return Permit(f"{module.__name__}.{name}", found, found if compiled else None)


def _named_tuple(kind: type[Any]) -> Any:
    """How a tuple with names is made, as iterative imputers keep them: of as many values as it has names."""

    def make(*values: Any) -> Any:
        if len(values) != len(getattr(kind, "_fields", ())):
            raise Refused(kind.__name__, "is made of another number of values than it has names")
        return kind(*values)

    return make


def _present(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except (AttributeError, ImportError):  # scikit-learn raises the latter for what is experimental
        raise Gone(f"{module.__name__}.{name}", module.__name__.partition(".")[0]) from None

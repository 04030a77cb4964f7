"""The data that models are trained on and asked, and the names that cases are written with. For Python 3.6 and newer.

The numbers are scikit-learn's own small sets (iris, diabetes, breast cancer), the texts the lines of their descriptions: every
release brings them along, and whatever a release says of them is recorded beside its models.
"""

import importlib
from typing import Any

import numpy as np

MODULES = [
    "calibration",
    "cluster",
    "compose",
    "covariance",
    "cross_decomposition",
    "decomposition",
    "discriminant_analysis",
    "dummy",
    "ensemble",
    "feature_extraction",
    "feature_extraction.text",
    "feature_selection",
    "gaussian_process",
    "impute",
    "isotonic",
    "kernel_approximation",
    "kernel_ridge",
    "linear_model",
    "mixture",
    "model_selection",
    "multiclass",
    "multioutput",
    "naive_bayes",
    "neighbors",
    "neural_network",
    "pipeline",
    "preprocessing",
    "random_projection",
    "semi_supervised",
    "svm",
    "tree",
]
EXPERIMENTS = ["enable_hist_gradient_boosting", "enable_iterative_imputer"]

NUMBERS = ["sepal_length", "sepal_width", "petal_length"]
CATEGORIES = ["size", "bed"]
WORDS = ["small", "middle", "large"]


def names() -> Any:
    """What an expression may say: every public name of every part that this release has."""
    found = {"np": np, "NUMBERS": NUMBERS, "CATEGORIES": CATEGORIES, "columns": _columns}  # type: Any
    for experiment in EXPERIMENTS:
        _import("sklearn.experimental." + experiment)
    for part in MODULES:
        module = _import("sklearn." + part)
        for name in dir(module):
            if not name.startswith("_") and name not in found:
                found[name] = getattr(module, name)
    return found


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _columns(numbers: Any, categories: Any) -> Any:
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer([("numbers", numbers, NUMBERS), ("categories", categories, CATEGORIES)])


# -- data --------------------------------------------------------------------------------------------------------------


def data_of(kind: str) -> Any:
    """Inputs and targets (None where nothing is to be told) of a set of data."""
    return _SETS[kind]()


def thinned(inputs: Any, target: Any) -> Any:
    """Without every fifth row; what is short stays whole."""
    count = len(inputs)
    if count < 50:
        return inputs, target
    kept = [i for i in range(count) if i % 5 != 2]
    if hasattr(inputs, "iloc"):
        fewer = inputs.iloc[kept].reset_index(drop=True)
    else:
        fewer = [inputs[i] for i in kept] if isinstance(inputs, list) else inputs[kept]
    return fewer, None if target is None else target[kept]


def _numbers() -> Any:
    from sklearn.datasets import load_diabetes

    whole = load_diabetes()
    return np.ascontiguousarray(whole.data[:200, [0, 2, 3, 8, 9]]) * 10, whole.target[:200]


def _pairs() -> Any:
    inputs, target = _numbers()
    return inputs, np.column_stack([target, inputs[:, 1] * 30 + target / 3 + inputs[:, 4]])


def _gaps() -> Any:
    inputs, target = _numbers()
    inputs[::7, 1] = np.nan
    inputs[3::11, 4] = np.nan
    return inputs, target


def _column() -> Any:
    inputs, target = _numbers()
    return inputs[:, 1], target


def _iris() -> Any:
    from sklearn.datasets import load_iris

    whole = load_iris()
    return whole.data, whole.target


def _bare() -> Any:
    return _iris()[0], None


def _binary() -> Any:
    from sklearn.datasets import load_breast_cancer

    whole = load_breast_cancer()
    return np.ascontiguousarray(whole.data[:240, [0, 1, 4, 6, 8]]), whole.target[:240]


def _double() -> Any:
    inputs, target = _iris()
    return inputs, np.column_stack([target, (inputs[:, 0] > 5.8).astype(int) + 3])


def _labels() -> Any:
    inputs, target = _iris()
    return inputs, np.column_stack([target > 0, inputs[:, 0] > 5.8]).astype(int)


def _single() -> Any:
    inputs, target = _iris()
    return inputs, np.ones(len(target), int)


def _coded() -> Any:
    inputs, target = _iris()
    inputs = inputs.copy()
    inputs[:, 0] = np.round(inputs[:, 0]) % 5
    return inputs, target


def _texts() -> Any:
    """Lines of three descriptions, and which of them each is from."""
    from sklearn import datasets

    texts, topics = [], []
    for topic in ("iris", "diabetes", "breast_cancer"):
        whole = getattr(datasets, "load_" + topic)().DESCR
        lines = [line.strip() for line in whole.splitlines() if len(line.split()) > 4][:40]
        texts += lines
        topics += [topic] * len(lines)
    return texts, np.array(topics)


def _table() -> Any:
    import pandas

    inputs, target = _iris()
    table = pandas.DataFrame(inputs[:, :3], columns=NUMBERS)
    table.iloc[::9, 1] = np.nan
    table["size"] = [WORDS[int(width > 0.8) + int(width > 1.7)] for width in inputs[:, 3]]
    table["bed"] = [["east", "west", "north"][int(length * 10) % 3] for length in inputs[:, 0]]
    return table, np.array(["setosa", "versicolor", "virginica"])[target]


def _holes() -> Any:
    table, target = _table()
    table.loc[table.index[5::13], "bed"] = np.nan
    return table, target


def _chosen() -> Any:
    table, target = _table()
    return table, (target == "virginica").astype(int)


def _prices() -> Any:
    table, _ = _table()
    return table, _iris()[0][:, 3] * 10 + _iris()[0][:, 0]


def _named() -> Any:
    import pandas

    inputs, target = _iris()
    return pandas.DataFrame(inputs, columns=NUMBERS + ["petal width (cm)"]), target


def _dicts() -> Any:
    table, target = _table()
    rows = [{str(key): value for key, value in row.items() if value == value} for row in table.to_dict("records")]
    return rows, target


def _words() -> Any:
    return np.array(["iris", "rose", "tulip", "rose", "aster", "iris"]), None


def _objects() -> Any:
    table, _ = _table()
    return table[CATEGORIES].values.astype(object), None


_SETS = {
    "numbers": _numbers,
    "pairs": _pairs,
    "gaps": _gaps,
    "column": _column,
    "iris": _iris,
    "bare": _bare,
    "binary": _binary,
    "double": _double,
    "labels": _labels,
    "single": _single,
    "coded": _coded,
    "texts": _texts,
    "table": _table,
    "holes": _holes,
    "chosen": _chosen,
    "prices": _prices,
    "named": _named,
    "dicts": _dicts,
    "words": _words,
    "objects": _objects,
}

"""Every estimator of scikit-learn that can stand in a served model, and small real data that each can be fitted on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bench.harness.zoo_data import Data, coarse, descriptions, progress, split, tagged, tumours

KINDS = ("classifier", "regressor", "transformer")


def names() -> list[tuple[str, str]]:
    """Kind and name of all that are in the table, in its order."""
    from sklearn.utils import all_estimators

    return [(kind, name) for kind in KINDS for name, _ in all_estimators(kind)]


class Fitted(NamedTuple):
    """A fitted model, what it was fitted on, and rows that it has not seen."""

    model: Any
    data: Data


def fitted(kind: str, name: str) -> Fitted:
    """A fitted model. Raises whatever the estimator raises."""
    from sklearn.utils import all_estimators

    estimator = _built(kind, name, dict(all_estimators(kind))[name])
    maker = {"classifier": _classifier, "regressor": _regressor, "transformer": _transformer}[kind]
    return maker(name, estimator)


# -- arguments -----------------------------------------------------------------------------------------------------


def _built(kind: str, name: str, cls: Any) -> Any:
    arguments = _inner(kind, name)
    if "random_state" in _parameters(cls):
        arguments.setdefault("random_state", 0)
    return cls(**arguments)


def _parameters(cls: Any) -> set[str]:
    import inspect

    return set(inspect.signature(cls.__init__).parameters)


def _inner(kind: str, name: str) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if name in ("VotingClassifier", "StackingClassifier"):
        return {
            "estimators": [("lr", LogisticRegression(max_iter=1000)), ("tree", DecisionTreeClassifier(random_state=0))]
        }
    if name in ("VotingRegressor", "StackingRegressor"):
        return {"estimators": [("ridge", Ridge()), ("tree", DecisionTreeRegressor(random_state=0))]}
    if name in ("MultiOutputRegressor", "RegressorChain"):
        return {"estimator": LinearRegression()}
    if name == "ColumnTransformer":
        return {"transformers": [("standard", StandardScaler(), [0, 1]), ("range", MinMaxScaler(), [2, 3])]}
    if name == "FeatureUnion":
        return {"transformer_list": [("standard", StandardScaler()), ("range", MinMaxScaler())]}
    if name in ("GaussianRandomProjection", "SparseRandomProjection"):
        return {"n_components": 3}
    if name in ("CCA", "PLSCanonical", "PLSSVD"):
        return {"n_components": 1}
    if name in ("FeatureHasher", "HashingVectorizer"):  # a million columns by default: minutes to fit
        return {"n_features": 256}
    if name == "MissingIndicator":
        return {"features": "all"}
    if name == "RadiusNeighborsClassifier":
        return {"outlier_label": "most_frequent"}
    if name == "SparseCoder":
        return {"dictionary": np.eye(4)}
    wants = [
        "ClassifierChain",
        "CalibratedClassifierCV",
        "FixedThresholdClassifier",
        "MultiOutputClassifier",
        "OneVsOneClassifier",
        "OneVsRestClassifier",
        "OutputCodeClassifier",
        "SelfTrainingClassifier",
        "TunedThresholdClassifierCV",
        "RFE",
        "RFECV",
        "SelectFromModel",
        "SequentialFeatureSelector",
    ]
    return {"estimator": LogisticRegression(max_iter=1000)} if name in wants else {}


# -- fitting -------------------------------------------------------------------------------------------------------


def _classifier(name: str, estimator: Any) -> Fitted:
    inputs, labels = tumours()
    if name == "CategoricalNB":
        inputs = coarse(inputs)
    if name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        labels = (labels == 1).astype(int)
    if name in ("MultiOutputClassifier", "ClassifierChain"):
        labels = np.column_stack([labels == 1, inputs[:, 0] > 13]).astype(int)
    data = split(inputs, labels)
    return Fitted(estimator.fit(data.inputs, data.targets), data)


def _regressor(name: str, estimator: Any) -> Fitted:
    inputs, values = progress()
    if name == "IsotonicRegression":
        inputs = inputs[:, 2:3]
    if name.startswith("MultiTask") or name in ("MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical"):
        values = np.column_stack([values, inputs[:, 0] * 100 + values / 2])
    data = split(inputs, values)
    return Fitted(estimator.fit(data.inputs, data.targets), data)


def _transformer(name: str, estimator: Any) -> Fitted:
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data = _transformed(name)
    if name in SUPERVISED:
        estimator = FrozenEstimator(estimator.fit(data.inputs, data.targets))
    pipeline = make_pipeline(estimator, LogisticRegression(max_iter=1000))
    return Fitted(pipeline.fit(data.inputs, data.targets), data)


SUPERVISED = ("CCA", "PLSCanonical", "PLSRegression", "PLSSVD")
"""Asked to fit and transform in one go they give inputs and targets, which no pipeline takes: they are fitted before it."""


def _transformed(name: str) -> Data:
    if name == "HashingVectorizer":
        return split(*descriptions())
    inputs, labels = tumours()
    if name in ("DictVectorizer", "FeatureHasher"):
        return split(tagged(inputs), labels.tolist())
    if name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        inputs = coarse(inputs)
    if name == "IsotonicRegression":
        inputs = inputs[:, 2:3]
    data = split(inputs, labels)
    if name == "KernelCenterer":  # its inputs are how alike rows are to those it was fitted on
        return Data(data.inputs @ data.inputs.T, data.targets, data.held_out @ data.inputs.T)
    return data

"""Every estimator of scikit-learn that can stand in a served model, and small real data that each can be fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

TEXTS = [
    "The quick brown fox jumps over the lazy dog",
    "Never jump over the lazy dog quickly",
    "Bright foxes leap over sleeping dogs in summer",
    "Stocks fell sharply on Monday morning",
    "Markets rose as traders bought shares",
    "The bank raised its rates; shares fell again",
] * 5
TOPICS = ["animals"] * 3 + ["money"] * 3
KINDS = ("classifier", "regressor", "transformer")


def names() -> list[tuple[str, str]]:
    """Kind and name of all that are in the table, in its order."""
    from sklearn.utils import all_estimators

    return [(kind, name) for kind in KINDS for name, _ in all_estimators(kind)]


def fitted(kind: str, name: str) -> tuple[Any, Any]:
    """A fitted model and the data it was fitted on. Raises whatever the estimator raises."""
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


# -- data ----------------------------------------------------------------------------------------------------------


def _classifier(name: str, estimator: Any) -> tuple[Any, Any]:
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    if name == "CategoricalNB":
        inputs = np.floor(inputs)
    if name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        labels = (labels == 1).astype(int)
    if name in ("MultiOutputClassifier", "ClassifierChain"):
        labels = np.column_stack([labels == 1, inputs[:, 0] > 5.8]).astype(int)
    return estimator.fit(inputs, labels), inputs


def _regressor(name: str, estimator: Any) -> tuple[Any, Any]:
    from sklearn.datasets import load_diabetes

    inputs, values = load_diabetes(return_X_y=True)
    if name == "IsotonicRegression":
        inputs = inputs[:, 2:3]
    if name.startswith("MultiTask") or name in ("MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical"):
        values = np.column_stack([values, inputs[:, 0] * 100 + values / 2])
    return estimator.fit(inputs, values), inputs


def _transformer(name: str, estimator: Any) -> tuple[Any, Any]:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    inputs, labels = load_iris(return_X_y=True)
    pipeline = make_pipeline(estimator, LogisticRegression(max_iter=1000))
    if name == "HashingVectorizer":
        return pipeline.fit(TEXTS, TOPICS * 5), TEXTS
    if name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        inputs = np.floor(inputs)
    if name == "IsotonicRegression":
        inputs = inputs[:, 2:3]
    return pipeline.fit(inputs, labels), inputs

"""Run inside an old environment: pipelines with a booster or a resampling step, and what they answer. For Python 3.6."""

import json
import sys
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def pipeline(library: str) -> Any:
    """One with a step of the library."""
    if library == "xgboost":
        from xgboost import XGBClassifier

        return make_pipeline(StandardScaler(), XGBClassifier(n_estimators=5, max_depth=2))
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return make_pipeline(StandardScaler(), LGBMClassifier(n_estimators=5, min_child_samples=5))
    if library == "catboost":
        from catboost import CatBoostClassifier

        return make_pipeline(
            StandardScaler(), CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False)
        )
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    return make_sampling_pipeline(RandomOverSampler(random_state=0), StandardScaler(), LogisticRegression())


def main(library: str, path: str, alone: str = "") -> None:
    """Save one; `alone`: the booster without the other steps."""
    random = np.random.RandomState(0)
    X = random.normal(size=(120, 3))
    y = np.where(X[:, 0] > 0.4, "high", np.where(X[:, 1] > 0, "middle", "low"))
    model = pipeline(library).steps[-1][1] if alone else pipeline(library)
    try:
        model.fit(X, y)
    except (AttributeError, ValueError):  # XGBoost since 1.6 takes numbers alone
        y = np.unique(y, return_inverse=True)[1]
        model.fit(X, y)
    joblib.dump(model, path + ".joblib")
    known = {"rows": X.tolist(), "labels": model.predict(X).ravel().tolist()}
    known["probabilities"] = model.predict_proba(X).tolist()
    with open(path + ".json", "w") as file:
        json.dump(known, file)


main(*sys.argv[1:])

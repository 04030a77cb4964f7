"""Run inside an old environment: fits models, saves them, and writes what they answer. For Python 3.6 and scikit-learn 0.18."""

import json
import sys
from typing import Any

import numpy as np


def models(X: Any, y: Any) -> Any:
    """One of each family that later releases answer otherwise, or do not load."""
    from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    yield "forest", RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0).fit(X, y), X
    yield "ada", AdaBoostClassifier(n_estimators=5, random_state=0).fit(X, y), X
    yield "ovr", make_pipeline(StandardScaler(), LogisticRegression(solver="liblinear")).fit(X, y), X
    yield "neighbors", KNeighborsClassifier().fit(X, y), X
    texts = ["good film", "bad film", "good", "bad plot", "film", "dull and bad"]
    labels = ["yes", "no", "yes", "no", "yes", "no"]
    yield "texts", make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels), texts


def main(folder: str) -> None:
    """Into a folder."""
    try:
        from sklearn.externals import joblib
    except ImportError:
        import joblib
    random = np.random.RandomState(0)
    X = random.normal(size=(90, 3))
    y = np.where(X[:, 0] > 0.4, "high", np.where(X[:, 1] > 0, "middle", "low"))
    for name, model, rows in models(X, y):
        joblib.dump(model, f"{folder}/{name}.joblib")
        known = {"rows": rows if isinstance(rows, list) else rows.tolist(), "classes": model.classes_.tolist()}
        known["probabilities"] = model.predict_proba(rows).tolist()
        known["labels"] = model.predict(rows).tolist()
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(known, file)


main(sys.argv[1])

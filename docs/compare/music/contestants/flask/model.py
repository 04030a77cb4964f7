"""The model, and what is done with it: this file is the same for every contestant that loads the saved file itself."""

import warnings

import joblib
import numpy as np

FIELDS = [
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
]

warnings.filterwarnings("ignore", message="X does not have valid feature names")
MODEL = joblib.load("../../../genre.joblib")
CLASSES = [str(name) for name in MODEL.classes_]


def predict(records):
    """Answers to records, each a dictionary."""
    rows = np.array([[record[name] for name in FIELDS] for record in records])
    labels = MODEL.predict(rows).tolist()
    table = MODEL.predict_proba(rows).tolist()
    return [
        {"prediction": label, "probabilities": dict(zip(CLASSES, row, strict=True))}
        for label, row in zip(labels, table, strict=True)
    ]

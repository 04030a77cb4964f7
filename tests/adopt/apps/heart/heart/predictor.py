import os

import joblib
import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ["age", "sex", "chol"]
_model = None
_scaler = None


def get_model():
    global _model, _scaler
    if _model is None:
        _model = joblib.load(os.path.join(HERE, "model", "heart.joblib"))
        _scaler = joblib.load(os.path.join(HERE, "model", "scaler.joblib"))
    return _model


def score(data):
    model = get_model()
    frame = pd.DataFrame([data])[COLUMNS]
    return float(model.predict_proba(_scaler.transform(frame))[0][1])

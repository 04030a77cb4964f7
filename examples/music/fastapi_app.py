"""The music classifier in FastAPI: a class of eight described floats, with an example for the documentation."""

from pathlib import Path

import joblib
import pandas as pd
from fastapi import FastAPI
from songs import Song, Verdict

app = FastAPI(title="Music")
model = joblib.load(Path(__file__).parent / "genre.joblib")


@app.post("/classify")
def classify(song: Song) -> Verdict:
    probabilities = model.predict_proba(pd.DataFrame([song.model_dump()]))[0]
    best = probabilities.argmax()
    return Verdict(genre=str(model.classes_[best]), certainty=float(probabilities[best]))

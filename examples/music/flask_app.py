"""The music classifier in Flask, as it is usually written."""

from pathlib import Path

import joblib
import pandas as pd
from flask import Flask, request

FEATURES = [
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
]

app = Flask(__name__)
model = joblib.load(Path(__file__).parent / "genre.joblib")


@app.post("/classify")
def classify() -> dict[str, str]:
    song = request.get_json()
    genre = model.predict(pd.DataFrame([song])[FEATURES])
    return {"genre": str(genre[0])}

"""FastAPI on Uvicorn, as tutorials write it: a Pydantic model, a ``def`` handler, the joblib file.

Tutorials pass either a list of numbers or a new DataFrame to ``predict``. The list stands here: it is the faster one,
with a model fitted on arrays, as theirs are (``bench/prepare_music.py``).
"""

import os
from typing import Any

import joblib
from fastapi import FastAPI
from pydantic import BaseModel


class Track(BaseModel):
    acousticness: float
    danceability: float
    energy: float
    instrumentalness: float
    liveness: float
    speechiness: float
    tempo: float
    valence: float


app = FastAPI()
model = joblib.load(os.environ.get("BENCH_MODEL", "build/bench/genre.joblib"))


@app.post("/predict")
def predict(track: Track) -> dict[str, Any]:
    features = [
        [
            track.acousticness,
            track.danceability,
            track.energy,
            track.instrumentalness,
            track.liveness,
            track.speechiness,
            track.tempo,
            track.valence,
        ]
    ]
    prediction = model.predict(features)[0]
    probabilities = model.predict_proba(features)[0]
    return {
        "prediction": prediction,
        "probabilities": {name: float(p) for name, p in zip(model.classes_, probabilities, strict=True)},
    }

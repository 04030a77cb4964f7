"""The tutorial's form in an image: FastAPI, Pydantic, joblib, scikit-learn, one Uvicorn worker."""

import joblib
import pandas
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load("genre.joblib")


class Track(BaseModel):
    acousticness: float
    danceability: float
    energy: float
    instrumentalness: float
    liveness: float
    speechiness: float
    tempo: float
    valence: float


@app.get("/readyz")
def ready() -> dict[str, str]:
    return {"state": "ready"}


@app.post("/predict")
def predict(track: Track) -> dict[str, str]:
    return {"prediction": str(model.predict(pandas.DataFrame([track.model_dump()]))[0])}

"""FastAPI with `async def` handlers: the model runs on the event loop, one call at a time."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

import model


class Record(BaseModel):
    acousticness: float
    danceability: float
    energy: float
    instrumentalness: float
    liveness: float
    speechiness: float
    tempo: float
    valence: float


class Answer(BaseModel):
    prediction: str
    probabilities: dict[str, float]


app = FastAPI()


@app.post("/predict")
async def predict(record: Record) -> Answer:
    return model.predict([record.model_dump(by_alias=True)])[0]


@app.post("/predict/batch")
async def predict_batch(records: list[Record]) -> list[Answer]:
    return model.predict([record.model_dump(by_alias=True) for record in records])

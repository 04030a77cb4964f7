"""FastAPI with `def` handlers: each call runs in a thread of AnyIO's pool."""

from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
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


@asynccontextmanager
async def lifespan(app):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 40
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(record: Record) -> Answer:
    return model.predict([record.model_dump(by_alias=True)])[0]


@app.post("/predict/batch")
def predict_batch(records: list[Record]) -> list[Answer]:
    return model.predict([record.model_dump(by_alias=True) for record in records])

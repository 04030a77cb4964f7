"""FastAPI as experts write it: `async def` handlers that hand the model to a thread pool of their own, of a known size."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
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
pool = ThreadPoolExecutor(max_workers=4)


@app.post("/predict")
async def predict(record: Record) -> Answer:
    records = [record.model_dump(by_alias=True)]
    return (await asyncio.get_running_loop().run_in_executor(pool, model.predict, records))[0]


@app.post("/predict/batch")
async def predict_batch(records: list[Record]) -> list[Answer]:
    plain = [record.model_dump(by_alias=True) for record in records]
    return await asyncio.get_running_loop().run_in_executor(pool, model.predict, plain)

"""FastAPI as experts write it for a compiled model: it runs on the event loop, as it takes microseconds, and orjson writes."""

import orjson
from fastapi import FastAPI, Response
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


app = FastAPI()


def as_json(answer):
    return Response(orjson.dumps(answer), media_type="application/json")


@app.post("/predict")
async def predict(record: Record) -> Response:
    return as_json(model.predict([record.model_dump(by_alias=True)])[0])


@app.post("/predict/batch")
async def predict_batch(records: list[Record]) -> Response:
    return as_json(model.predict([record.model_dump(by_alias=True) for record in records]))

"""Flask with typed validation by Pydantic: the fair comparison with a framework that validates."""

from typing import Any

from flask import Flask, Response, request
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

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


app = Flask(__name__)
records_of, answers_of = TypeAdapter(list[Record]), TypeAdapter(list[Answer])


@app.errorhandler(ValidationError)
def refuse(error):
    return Response(error.json(include_url=False), 422, content_type="application/json")


@app.post("/predict")
def predict():
    record = Record.model_validate_json(request.get_data())
    answer = Answer(**model.predict([record.model_dump(by_alias=True)])[0])
    return Response(answer.model_dump_json(), content_type="application/json")


@app.post("/predict/batch")
def predict_batch():
    records = records_of.validate_json(request.get_data())
    answers = answers_of.validate_python(model.predict([record.model_dump(by_alias=True) for record in records]))
    return Response(answers_of.dump_json(answers), content_type="application/json")

"""The shop half-way: `POST /predict` has moved and is typed, everything else is the Flask app, unchanged.

    modelport serve service.py

The moved route runs inside the app: it sees the session and the user that `before_request` has put on `g`, and
`after_request` adds its header to the answer.
"""

from fastapi import HTTPException
from flask import g, session
from pydantic import BaseModel, Field
from wsgi import app

from modelport import Service

service = Service("shop")
genre = service.model("genre", "genre.joblib")
shop = service.mount("/", app)


class Song(BaseModel):
    """The features of the model; by their names, so that no order can be wrong."""

    acousticness: float
    danceability: float
    energy: float
    instrumentalness: float
    liveness: float
    speechiness: float
    tempo: float = Field(gt=0, description="beats per minute")
    valence: float


class Genre(BaseModel):
    genre: str


@shop.post("/predict")
async def predict(song: Song) -> Genre:
    if g.user is None:
        raise HTTPException(401, "log in first")
    answer = await genre(song)
    session["asked"] = session.get("asked", 0) + 1
    return Genre(genre=answer["prediction"])

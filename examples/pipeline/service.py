"""Two models, one behind the other, and an A/B branch: a tree (A) or a forest (B) finds the genre, and the mood follows from it.

`SHARE_B` is the share of listeners who get B. Who a listener is decides, so that nobody changes sides between two calls.
"""

import os
from typing import Literal
from zlib import crc32

from pydantic import BaseModel

from modelport import Service

SHARE_B = float(os.environ.get("SHARE_B", "0.5"))

service = Service("recommend")
variants = {"A": service.model("genre-a", "genre.joblib"), "B": service.model("genre-b", "forest.joblib")}


class Heard(BaseModel):
    """What the second model takes: the answer of the first, and two features of the song."""

    genre: str
    energy: float
    valence: float


@service.model("mood", batch=True)
class MoodModel:
    def load(self) -> None:
        self.happy_from = {"Rock": 0.5, "Hip-Hop": 0.6}

    def predict(self, songs: list[Heard]) -> list[str]:
        return [self.mood_of(song) for song in songs]

    def mood_of(self, song: Heard) -> str:
        happy = song.valence >= self.happy_from[song.genre]
        return ("cheerful" if happy else "angry") if song.energy >= 0.5 else ("content" if happy else "sad")


mood = service["mood"]


class Asked(BaseModel):
    listener: str
    song: dict[str, float]
    """What is in it, the first model says itself: a feature that is missing is a 422 that names it."""


class Recommendation(BaseModel):
    genre: str
    mood: str
    variant: Literal["A", "B"]


def variant_of(listener: str) -> Literal["A", "B"]:
    return "B" if crc32(listener.encode()) % 1000 < SHARE_B * 1000 else "A"


@service.post("/recommend")
async def recommend(asked: Asked) -> Recommendation:
    variant = variant_of(asked.listener)
    found = await variants[variant](asked.song)
    heard = Heard(genre=found["prediction"], energy=asked.song["energy"], valence=asked.song["valence"])
    return Recommendation(genre=heard.genre, mood=await mood(heard), variant=variant)

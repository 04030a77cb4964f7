"""A saved model by its file, models in Python, routes that ask several at once, and a Flask application."""

import asyncio
from asyncio import gather

import flask
from pydantic import BaseModel

import modelport
from modelport import Service
from modelport.kernel.context import current

service = Service("music")
genre = service.model("genre", "genre.joblib", no_compile=True)


class Song(BaseModel):
    """What is asked about."""

    tempo: float
    loudness: float


class Mood(BaseModel):
    """What is answered."""

    word: str


@service.model("mood", batch=True)
class MoodModel:
    """Loaded once, asked in batches."""

    def load(self) -> None:
        """Nothing to load."""
        self.lively = 120.0

    def predict(self, songs: list[Song]) -> list[Mood]:
        """Raises for a song without tempo."""
        for song in songs:
            if song.tempo < 0:
                raise ValueError("secret of the house")
        return [Mood(word="lively" if song.tempo > self.lively else "calm") for song in songs]


@service.model("slow")
async def slow(seconds: float) -> float:
    """Waits."""
    await asyncio.sleep(seconds)
    return seconds


@service.post("/recommend")
async def recommend(song: Song) -> dict[str, str]:
    """Both join the micro-batches."""
    verdict, mood = await gather(genre(song), service["mood"](song))
    return {"genre": verdict["prediction"] if isinstance(verdict, dict) else verdict, "mood": mood.word}


async def _ask(song: Song) -> str:
    return str((await service["mood"](song)).word)


@service.post("/grouped")
async def grouped(song: Song) -> str:
    """A task group raises a group of what failed in it."""
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(_ask(song))
    return asked.result()


@service.get("/plain")
def plain(tempo: float) -> str:
    """A plain function asks in its own thread."""
    return str(service["mood"].sync(tempo=tempo, loudness=0.0).word)


@service.get("/wait")
async def wait(seconds: float) -> float:
    """As long as the model takes."""
    return float(await service["slow"](seconds=seconds))


@service.get("/context")
async def context() -> dict[str, object]:
    """What the models would be told."""
    call = current.get()
    assert call is not None
    return {"left": modelport.deadline(), "request_id": call.request_id.decode()}


flask_app = flask.Flask(__name__)


@flask_app.get("/mood")
def legacy() -> str:
    """An old application asks the same model."""
    tempo = float(flask.request.args["tempo"])
    return f"{service['mood'].sync(tempo=tempo, loudness=0.0).word}, {modelport.deadline() is not None}"


service.mount("/legacy", flask_app)

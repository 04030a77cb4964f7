"""FastAPI with `def` handlers, asked for more than a prediction of a small row."""

from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import Body, FastAPI
from pydantic import BaseModel

import tasks


class Asked(BaseModel):
    id: str


@asynccontextmanager
async def lifespan(app):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 4
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/wait")
def wait(asked: Asked) -> str:
    tasks.wait()
    return asked.id


@app.post("/hold-gil")
def hold_gil(asked: Asked) -> str:
    tasks.hold_gil()
    return asked.id


@app.post("/release-gil")
def release_gil(asked: Asked) -> str:
    tasks.release_gil()
    return asked.id


@app.post("/array-in")
def array_in(values: list[float]) -> float:
    return tasks.mean(values)


@app.post("/vectors-out")
def vectors_out(asked: Asked) -> list[list[float]]:
    return tasks.VECTORS.tolist()


@app.post("/image-in")
def image_in(content: bytes = Body(media_type="application/octet-stream")) -> int:
    return len(content)

"""FastAPI with `async def` handlers, asked for more than a prediction of a small row."""

import asyncio

from fastapi import FastAPI, Request
from pydantic import BaseModel

import tasks


class Asked(BaseModel):
    id: str


app = FastAPI()


@app.post("/wait")
async def wait(asked: Asked) -> str:
    await asyncio.sleep(tasks.WAIT_S)
    return asked.id


@app.post("/hold-gil")
async def hold_gil(asked: Asked) -> str:
    tasks.hold_gil()
    return asked.id


@app.post("/release-gil")
async def release_gil(asked: Asked) -> str:
    tasks.release_gil()
    return asked.id


@app.post("/array-in")
async def array_in(values: list[float]) -> float:
    return tasks.mean(values)


@app.post("/vectors-out")
async def vectors_out(asked: Asked) -> list[list[float]]:
    return tasks.VECTORS.tolist()


@app.post("/image-in")
async def image_in(request: Request) -> int:
    return len(await request.body())

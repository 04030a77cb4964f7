"""The same models as their authors would write them for FastAPI."""

import ctypes
import time

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
libc = ctypes.PyDLL(None)


class Body(BaseModel):
    x: float


def burn(seconds: float) -> int:
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        rounds += 1
    return rounds


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/models/async_burn/predict")
async def async_burn(body: Body) -> float:
    burn(1)
    return body.x


@app.post("/models/burn/predict")
def plain_burn(body: Body) -> float:
    burn(1)
    return body.x


@app.post("/models/hold/predict")
def hold(body: Body) -> float:
    libc.usleep(1_000_000)
    return body.x

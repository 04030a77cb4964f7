"""The same wait in a FastAPI endpoint, as its tutorial writes it."""

import asyncio

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Asked(BaseModel):
    id: str


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(asked: Asked) -> str:
    await asyncio.sleep(0.05)
    return asked.id

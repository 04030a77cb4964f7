"""The wait of `async_model_fastapi.py` in a route of a service."""

import asyncio

from pydantic import BaseModel

from modelport import Service

service = Service("upstream")


class Asked(BaseModel):
    id: str


@service.post("/predict")
async def predict(asked: Asked) -> str:
    await asyncio.sleep(0.05)
    return asked.id

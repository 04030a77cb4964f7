"""The weather of a city, asked of another service: FastAPI and httpx, one client for all requests."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

UPSTREAM = os.environ.get("WEATHER_URL", "http://127.0.0.1:9000")


class Weather(BaseModel):
    city: str
    temp_c: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=5) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.get("/weather")
async def weather(request: Request, city: str = "London") -> Weather:
    try:
        reply = await request.state.client.get("/current", params={"city": city})
    except httpx.HTTPError:
        raise HTTPException(502, "the weather service does not answer") from None
    if reply.status_code == 404:
        raise HTTPException(404, f"nothing is known of {city}")
    if reply.is_error:
        raise HTTPException(502, "the weather service has failed")
    return Weather(city=city, temp_c=reply.json()["temp_c"])

"""The weather of a city, asked of another service: an `async def` model, and the old address beside it.

A thousand callers wait at once, none longer than they said (`Request-Timeout`), and a list of cities is one call.
"""

import os

import httpx
from fastapi import HTTPException
from pydantic import BaseModel

import modelport
from modelport import Service

UPSTREAM = os.environ.get("WEATHER_URL", "http://127.0.0.1:9000")


class Place(BaseModel):
    city: str = "London"


class Weather(BaseModel):
    city: str
    temp_c: float | None
    """None where nothing is known of the city."""


service = Service("weather")


@service.model("weather")
class WeatherModel:
    def load(self) -> None:
        self.client = httpx.AsyncClient(base_url=UPSTREAM)

    async def predict(self, place: Place) -> Weather:
        reply = await self.client.get("/current", params={"city": place.city}, timeout=modelport.deadline())
        if reply.status_code == 404:
            return Weather(city=place.city, temp_c=None)
        return Weather(city=place.city, temp_c=reply.raise_for_status().json()["temp_c"])


ask_weather = service["weather"]


@service.get("/weather")
async def weather(city: str = "London") -> Weather:
    found: Weather = await ask_weather(Place(city=city))
    if found.temp_c is None:
        raise HTTPException(404, f"nothing is known of {city}")
    return found

"""The weather of a city, asked of another service: Flask and requests."""

import os

import requests
from flask import Flask, abort, request

UPSTREAM = os.environ.get("WEATHER_URL", "http://127.0.0.1:9000")

app = Flask(__name__)


@app.get("/weather")
def weather() -> dict[str, str | float]:
    city = request.args.get("city", "London")
    try:
        reply = requests.get(f"{UPSTREAM}/current", params={"city": city}, timeout=5)
    except requests.RequestException:
        abort(502, "the weather service does not answer")
    if reply.status_code == 404:
        abort(404, f"nothing is known of {city}")
    if not reply.ok:
        abort(502, "the weather service has failed")
    return {"city": city, "temp_c": reply.json()["temp_c"]}

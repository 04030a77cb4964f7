"""Tests of services: a client in this process, fakes for models, golden cases, and whether a model stands several threads.

from modelport.testing import client

def test_a_slow_song_is_no_rock() -> None:
    with client("app.py") as api:
        assert api.post("/models/genre/predict", json={"tempo": 61.0}).json()["prediction"] == "Hip-Hop"
"""

from modelport.testing.clients import async_client, client
from modelport.testing.concurrency import Concurrency, check_concurrency
from modelport.testing.fakes import Fake
from modelport.testing.golden import Difference, Replay, replay

__all__ = [
    "Concurrency",
    "Difference",
    "Fake",
    "Replay",
    "async_client",
    "check_concurrency",
    "client",
    "replay",
]

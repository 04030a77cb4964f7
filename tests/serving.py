"""A model behind the real ASGI app, for tests that ask what a caller gets: routing, validation, batching, encoding."""

from __future__ import annotations

import asyncio
import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import httpx

import modelport
from modelport.runtime.lifecycle import State

LOADING_S = 60.0


class Service:
    """One served model. Its calls block, so that a test reads from top to bottom."""

    def __init__(self, runner: asyncio.Runner, app: Any) -> None:
        self._runner = runner
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        self.slot = app.predict["/predict"].slot

    def get(self, path: str) -> httpx.Response:
        """GET a page."""
        return self._runner.run(self._client.get(path))

    def post(self, body: Any) -> httpx.Response:
        """POST a body to /predict, whatever comes of it."""
        return self._runner.run(self._client.post("/predict", json=body))

    def predict(self, body: Any) -> Any:
        """The answer to a body that must be accepted, and all of whose records must be answered."""
        response = self.post(body)
        assert response.status_code == 200, response.text
        assert "modelport-errors" not in response.headers, response.text[:2000]
        return response.json()

    @property
    def signature(self) -> Any:
        """Its description, as `GET /models/{name}` tells it."""
        return self.get(f"/models/{self.slot.name}").json()

    def field(self, name: str) -> Any:
        """The description of one input."""
        return next(f for f in self.signature["inputs"] if f["name"] == name)

    def check(self, answer: Any) -> None:
        """An answer must be one that /openapi.json promises."""
        document = self.get("/openapi.json").json()
        schema = {"$ref": f"#/components/schemas/{self.slot.name}.Answer", "components": document["components"]}
        importlib.import_module("jsonschema").validate(answer, schema)

    def wait(self) -> None:
        """Until it is loaded. Fails with the reason where it cannot be."""
        self._runner.run(asyncio.wait_for(self._wait(), LOADING_S))
        assert self.get("/readyz").status_code == 200

    async def _wait(self) -> None:
        changed = asyncio.Event()
        self.slot.on_change.append(lambda slot: changed.set())
        await self._client.get("/readyz")  # the first event starts the loading
        await changed.wait()
        assert self.slot.state is State.READY, self.slot.error

    def close(self) -> None:
        """Let its thread end."""
        if self.slot.lane is not None:
            self.slot.lane.scheduler.executor.close()
        self._runner.run(self._client.aclose())


@contextmanager
def serving(artifact: str | PathLike[str], **options: Any) -> Iterator[Service]:
    """Serve a model for the length of a block, ready from its first line on.

    As its loader gives it, unless said otherwise: what is compiled has tests of its own.
    """
    with asyncio.Runner() as runner:
        service = Service(runner, modelport.app(artifact, **{"no_compile": True} | options))
        try:
            service.wait()
            yield service
        finally:
            service.close()


def same(got: Any, wanted: Any, tolerance: float = 1e-6) -> bool:
    """Whether two answers are equal, numbers up to rounding and of the same JSON type."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and got.keys() == wanted.keys() and all(same(got[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, float) and isinstance(got, float):
        return math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance)
    return type(got) is type(wanted) and bool(got == wanted)

"""A service in this process, spoken to through ASGI, and what must hold of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

import modelport
from tests.fronts.models import PAUSE
from tests.fronts.shape import assert_error_body


@asynccontextmanager
async def open_service(artifact: Path, *, ready: bool = True, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, by default when its model is ready."""
    transport = httpx.ASGITransport(app=modelport.app(artifact, **options))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        if ready:
            await until_state(client, "ready")
        yield client


async def until_state(client: httpx.AsyncClient, state: str) -> None:
    """Ask until the service is in the state."""
    async with asyncio.timeout(30):
        while (await client.get("/readyz")).json()["state"] != state:
            await asyncio.to_thread(PAUSE.wait, 0.005)


def assert_error(response: httpx.Response, status: int, types: Sequence[str] = ()) -> list[dict[str, Any]]:
    """An error answer as every one of ours must be; gives the entries of its `detail`."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["request-id"]
    detail = assert_error_body(response.content)
    assert not types or [entry["type"] for entry in detail] == list(types)
    return detail

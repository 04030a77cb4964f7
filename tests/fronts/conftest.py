"""Services of fake models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from tests.fronts.service import open_service


@pytest.fixture
async def track(fake: Callable[..., Path]) -> AsyncIterator[httpx.AsyncClient]:
    """A service of the model that the hostile bodies are for."""
    async with open_service(fake("track")) as client:
        yield client

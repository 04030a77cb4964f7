"""Fake models on disk, and services of them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fronts.models import install_plugin
from tests.fronts.service import open_service


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder from which the loader of `.fake` files is found, by this process and by its children."""
    folder = install_plugin(tmp_path_factory.mktemp("plugin"))
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def fake(plugin: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Writes an artifact that loads as the fake model of that name."""

    def write(text: str, name: str = "") -> Path:
        path = tmp_path / f"{name or text.partition(' ')[0]}.fake"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
async def track(fake: Callable[[str], Path]) -> AsyncIterator[httpx.AsyncClient]:
    """A service of the model that the hostile bodies are for."""
    async with open_service(fake("track")) as client:
        yield client

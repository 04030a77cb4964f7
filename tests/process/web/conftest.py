"""One service with models, routes and mounted applications, for the tests that only ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.server import Server

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start one of the applications of this folder, once for all tests."""
    running: dict[str, Server] = {}

    def start(target: str, *flags: object) -> Server:
        key = f"{target} {flags}"
        if key not in running:
            folder = tmp_path_factory.mktemp("web")
            path = APPS / target
            running[key] = Server.start(path, "--workers", 1, "--standby", "off", *flags, folder=folder)
        return running[key]

    yield start
    for server in running.values():
        assert server.stop() == 0


@pytest.fixture(scope="session")
def served(serve: Callable[..., Server]) -> Server:
    """The service with everything."""
    return serve("music.py")

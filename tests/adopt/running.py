"""Runs a written service in this process: the real `Service`, its routes, models and mounted application, asked over ASGI."""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from httpx import ASGITransport, AsyncClient, Response

import modelport
from modelport import Service


class Running:
    """A service as a client finds it."""

    def __init__(self, service: Service) -> None:
        self.mounted = {mount.prefix or "/": mount.app for mount in service.mounts}
        self._app = modelport.app(service, no_compile=True)
        self._ready = False

    def client(self) -> AsyncClient:
        """A client of all that it serves."""
        return AsyncClient(transport=ASGITransport(self._app), base_url="http://service")

    async def ask(self, path: str, body: Any, **headers: str) -> Response:
        """Post to one of its routes, as soon as its models have loaded."""
        async with self.client() as client, asyncio.timeout(20):
            while not self._ready:
                self._ready = (await client.get("/_modelport/readyz")).status_code == 200
                await asyncio.to_thread(int)  # the models load in threads
            return await client.post(path, json=body, headers=headers)


@contextmanager
def running(folder: Path, text: str) -> Iterator[Running]:
    """The service in a text, imported in the application's folder."""
    before, modules = os.getcwd(), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        namespace = types.ModuleType("written_service")
        sys.modules["written_service"] = namespace
        exec(compile(text, "service.py", "exec"), namespace.__dict__)
        yield Running(namespace.service)
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)) or name == "written_service":
                del sys.modules[name]

"""Runs a written service in this process: its routes by FastAPI, its models by Modelport's own loaders, one call at a time.

It takes the place of the server, for tests that ask what a written file answers, not how it is served.
"""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from modelport.assembly.handlers import load_saved
from modelport.config import ServeOptions


class Running:
    """Has the methods of a Service that written files use."""

    def __init__(self, name: str) -> None:
        self.name, self.web, self.mounted = name, FastAPI(), {}  # type: tuple[str, FastAPI, dict[str, Any]]
        self.post = self.web.post

    def model(self, name: str, path: str) -> Callable[[Any], Awaitable[Any]]:
        """The model of a file beside the service."""
        handler = load_saved(Path(path), ServeOptions(), None)

        async def call(record: Any) -> Any:
            records, _ = handler.decode(json.dumps(record).encode())
            (answer,) = handler.run(records)
            assert isinstance(answer, bytes), answer
            return json.loads(answer)

        return call

    def mount(self, prefix: str, app: Any) -> None:
        """Remember what is mounted."""
        self.mounted[prefix] = app

    async def ask(self, path: str, body: Any) -> Response:
        """Post to one of its own routes."""
        async with AsyncClient(transport=ASGITransport(self.web), base_url="http://service") as client:
            return await client.post(path, json=body)


@contextmanager
def running(folder: Path, text: str) -> Iterator[Running]:
    """The service in a text, imported in the application's folder."""
    before, modules = os.getcwd(), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        namespace = types.ModuleType("written_service")
        code = text.replace("from modelport import Service\n", "from tests.adopt.standin import Running as Service\n")
        sys.modules["written_service"] = namespace
        exec(compile(code, "service.py", "exec"), namespace.__dict__)
        yield namespace.service
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)) or name == "written_service":
                del sys.modules[name]

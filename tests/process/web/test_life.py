"""Routes through a drain and a reload: what is in flight is finished."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.server import Server, wait_until

APP = """
import asyncio, pathlib, threading, time
from contextlib import asynccontextmanager
import flask
from fastapi import BackgroundTasks
from modelport import Service

@asynccontextmanager
async def lifespan(app):
    yield
    pathlib.Path("closed").write_text("yes")

service = Service("life", lifespan=lifespan)
VERSION = 1

@service.model("m")
def m(x: int) -> int:
    return x + VERSION

@service.get("/version")
async def version() -> int:
    return VERSION

@service.get("/wait")
async def wait() -> int:
    pathlib.Path("waiting").touch()
    await asyncio.sleep(1)
    return VERSION

async def write():
    await asyncio.sleep(0.5)
    pathlib.Path("written").touch()

@service.get("/later")
async def later(tasks: BackgroundTasks) -> int:
    tasks.add_task(write)
    return VERSION

old = flask.Flask("old")

@old.get("/wait")
def old_wait():
    pathlib.Path("old-waiting").touch()
    time.sleep(1)
    return str(VERSION)

service.mount("/old", old)
"""


def serve(folder: Path) -> Server:
    """The service."""
    (folder / "app.py").write_text(APP)
    return Server.start(Path("app.py"), "--workers", 1, "--standby", "off", folder=folder)


def test_requests_of_routes_in_flight_are_finished_when_the_service_ends(tmp_path: Path) -> None:
    with serve(tmp_path) as server, ThreadPoolExecutor(3) as callers:
        asked = [callers.submit(server.ask, "GET", path) for path in ("/wait", "/old/wait")]
        wait_until(lambda: (tmp_path / "waiting").exists() and (tmp_path / "old-waiting").exists(), "both run")
        assert server.ask("GET", "/later").status == 200
        assert server.stop() == 0
        assert [each.result().status for each in asked] == [200, 200]
    assert (tmp_path / "written").exists()
    assert (tmp_path / "closed").read_text() == "yes"


@pytest.mark.slow
def test_a_reload_takes_the_new_routes_and_finishes_what_the_old_ones_began(tmp_path: Path) -> None:
    with serve(tmp_path) as server, ThreadPoolExecutor(3) as callers:
        asked = [callers.submit(server.ask, "GET", path) for path in ("/wait", "/old/wait")]
        wait_until(lambda: (tmp_path / "waiting").exists() and (tmp_path / "old-waiting").exists(), "both run")
        (tmp_path / "app.py").write_text(APP.replace("VERSION = 1", "VERSION = 2"))
        os.kill(server.process.pid, signal.SIGHUP)
        statuses = []

        def is_new() -> bool:
            answer = server.ask("GET", "/version")
            statuses.append(answer.status)
            return answer.body == b"2"

        wait_until(is_new, "the new code answers", 30)
        assert set(statuses) == {200}
        assert [(each.result().status, each.result().body) for each in asked] == [(200, b"1")] * 2
        assert server.predict({"x": 1}).body == b"3"


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_with_its_routes(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: server.readiness()[0] == 200 and server.ask("GET", "/version").body == b"1", "it is back")

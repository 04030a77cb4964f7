"""What a call leaves behind: nothing that only the garbage collector would free, or long answers pile up in memory."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from tests.process.engine import Served, serve, write_app

CALLS = 200
FEW = CALLS // 4
"""Of objects: the first collection finds some that importing left."""

APP = """
import gc

gc.disable()

def found(n: int) -> list[int]:
    return [gc.collect()] if n < 0 else [n] * 10

@service.model("plain")
def plain(n: int) -> list[int]:
    return found(n)

@service.model("beside", parallel=2)
def beside(n: int) -> list[int]:
    return found(n)

@service.model("waiting")
async def waiting(n: int) -> list[int]:
    return found(n)

@service.model("batched", batch=True)
def batched(numbers: list[int]) -> list[list[int]]:
    return [found(n) for n in numbers]

@service.get("/collected")
async def collected() -> int:
    return gc.collect()
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(write_app(tmp_path_factory.mktemp("garbage"), APP), "--workers", "1") as server:
        yield server


def ask(connection: http.client.HTTPConnection, model: str, n: int) -> int:
    body = n if model == "batched" else {"n": n}
    connection.request("POST", f"/models/{model}/predict", json.dumps(body), {"content-type": "application/json"})
    answer: list[int] = json.loads(connection.getresponse().read())
    return answer[0]


@pytest.mark.parametrize("model", ["plain", "beside", "waiting", "batched"])
def test_an_answered_call_leaves_nothing_to_the_garbage_collector(served: Served, model: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    ask(connection, model, 1)
    ask(connection, model, -1)
    served.get("/collected")
    for n in range(CALLS):
        assert ask(connection, model, n) == n
    assert ask(connection, model, -1) < FEW, "in the model's process"
    assert served.get("/collected").json < FEW, "in the worker"
    connection.close()

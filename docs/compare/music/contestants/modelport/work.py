"""Modelport, asked for more than a prediction of a small row: each function is a model, in a process of its own."""

import asyncio

import numpy as np
import tasks
from numpy.typing import NDArray

from modelport import Service

service = Service("work")


@service.model("wait")
async def wait(id: str) -> str:
    await asyncio.sleep(tasks.WAIT_S)
    return id


@service.model("hold-gil", parallel=4)
def hold_gil(id: str) -> str:
    tasks.hold_gil()
    return id


@service.model("release-gil", parallel=4)
def release_gil(id: str) -> str:
    tasks.release_gil()
    return id


@service.model("array-in")
def array_in(values: NDArray[np.float64]) -> float:
    return tasks.mean(values)


@service.model("vectors-out")
def vectors_out(id: str) -> NDArray[np.float32]:
    return tasks.VECTORS


@service.model("image-in")
def image_in(content: bytes) -> int:
    return len(content)

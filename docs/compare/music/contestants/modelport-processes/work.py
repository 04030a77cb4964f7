"""Modelport as an application that another server runs in several processes: each has every model, and a thread for it."""

import asyncio

import numpy as np
import tasks
from numpy.typing import NDArray

import modelport
from modelport import Service

service = Service("work")


@service.model("wait")
async def wait(id: str) -> str:
    await asyncio.sleep(tasks.WAIT_S)
    return id


@service.model("hold-gil")
def hold_gil(id: str) -> str:
    tasks.hold_gil()
    return id


@service.model("release-gil")
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


app = modelport.app(service)

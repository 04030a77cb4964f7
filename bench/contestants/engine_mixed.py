"""Models for the soak: one alone, one in batches, one with long answers. Every answer carries the caller's own id."""

import time

from modelport import Service

service = Service("mixed")


@service.model("single", parallel=4)
def single(id: str) -> str:
    time.sleep(0.002)
    return id


@service.model("batched", batch=True)
def batched(items: list[str]) -> list[str]:
    time.sleep(0.005 + 0.0001 * len(items))
    if any(item.startswith("poison") for item in items):
        raise ValueError("poison")
    return items


@service.model("long")
def long(id: str) -> list[str]:
    return [id] * 20_000

"""A model of 50 ms that stands one call at a time; its answer is the caller's own id."""

import time

from modelport import Service

service = Service("slow")


@service.model("slow")
def slow(id: str) -> str:
    time.sleep(0.05)
    return id

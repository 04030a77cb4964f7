"""A model of 5 ms that stands sixteen calls at once; its answer is the caller's own id."""

import time

from modelport import Service

service = Service("echo")


@service.model("echo", parallel=16)
def echo(id: str) -> str:
    time.sleep(0.005)
    return id

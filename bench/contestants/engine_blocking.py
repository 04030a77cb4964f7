"""Models that keep a processor, or the interpreter itself, for a second."""

import ctypes
import time

from modelport import Service

service = Service("blocking")
libc = ctypes.PyDLL(None)  # calls through a PyDLL keep the interpreter's lock


def burn(seconds: float) -> int:
    """Work in Python until the time is over."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        rounds += 1
    return rounds


@service.model("async_burn")
async def async_burn(x: float) -> float:
    burn(1)
    return x


@service.model("burn")
def plain_burn(x: float) -> float:
    burn(1)
    return x


@service.model("hold")
def hold(x: float) -> float:
    libc.usleep(1_000_000)
    return x

"""A model of 20 ms and 1 ms per item, batched and not, that stands no second call and no poison; and one of 21 ms per item."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelport import Service

service = Service("batching")
REENTERED = Path("build/bench/reentered")


class Model:
    """Sleeps as long as it would compute; a second call at the same time is an error, and noted in a file."""

    def __init__(self, base_s: float, item_s: float) -> None:
        self._base_s = base_s
        self._item_s = item_s
        self._busy = threading.Lock()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            with REENTERED.open("a") as file:
                file.write("x")
            raise RuntimeError("entered twice at once")
        try:
            yield
        finally:
            self._busy.release()

    def __call__(self, items: list[str]) -> list[str]:
        with self._alone():
            time.sleep(self._base_s + self._item_s * len(items))
            for item in items:
                if item.startswith("poison"):
                    raise ValueError(f"cannot read {item}")
            return [f"answer to {item}" for item in items]


paying_on, paying_off = Model(0.020, 0.001), Model(0.020, 0.001)
linear_on, linear_off = Model(0.0, 0.021), Model(0.0, 0.021)


@service.model("on", batch=True)
def on(items: list[str]) -> list[str]:
    return paying_on(items)


@service.model("off")
def off(item: str) -> str:
    return paying_off([item])[0]


@service.model("linear_on", batch=True)
def with_batches(items: list[str]) -> list[str]:
    return linear_on(items)


@service.model("linear_off")
def without_batches(item: str) -> str:
    return linear_off([item])[0]

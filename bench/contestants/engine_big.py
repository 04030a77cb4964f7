"""A model of 500 MB (BENCH_MODEL_MB says otherwise); its answer is the caller's own number, plus a one from the array."""

import os

import numpy as np

from modelport import Service

service = Service("big")
MEGABYTES = int(os.environ.get("BENCH_MODEL_MB", "500"))


@service.model("big")
class Big:
    def load(self) -> None:
        self.weights = np.ones(MEGABYTES * 1_000_000 // 8)

    def predict(self, x: int) -> float:
        return x + float(self.weights[x % len(self.weights)])

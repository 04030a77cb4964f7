"""A large array of 32-bit numbers, as models answer embeddings."""

import numpy as np

from modelport import Service

service = Service("arrays")
ARRAY = np.random.default_rng(0).random((128, 1536), dtype=np.float32)


@service.model("embed")
def embed(number: int):  # type: ignore[no-untyped-def]  # as people write it
    return ARRAY

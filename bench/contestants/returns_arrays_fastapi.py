"""The same for FastAPI, which has to be given lists."""

import numpy as np
from fastapi import Body, FastAPI

app = FastAPI()
ARRAY = np.random.default_rng(0).random((128, 1536), dtype=np.float32)


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(number: int = Body(embed=True)):  # type: ignore[no-untyped-def]
    return ARRAY.tolist()

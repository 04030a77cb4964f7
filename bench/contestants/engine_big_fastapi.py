"""The same model for FastAPI, which loads it once per worker."""

import os

import numpy as np
from fastapi import Body, FastAPI

app = FastAPI()
weights = np.ones(int(os.environ.get("BENCH_MODEL_MB", "500")) * 1_000_000 // 8)


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(x: int = Body(embed=True)) -> float:
    return x + float(weights[x % len(weights)])

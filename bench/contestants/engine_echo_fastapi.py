"""The same model for FastAPI."""

import time

from fastapi import Body, FastAPI

app = FastAPI()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(id: str = Body(embed=True)) -> str:
    time.sleep(0.005)
    return id

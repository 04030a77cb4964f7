"""The same model for FastAPI; the lock is its author's, since it stands one call at a time."""

import threading
import time

from fastapi import Body, FastAPI

app = FastAPI()
lock = threading.Lock()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(id: str = Body(embed=True)) -> str:
    with lock:
        time.sleep(0.05)
        return id

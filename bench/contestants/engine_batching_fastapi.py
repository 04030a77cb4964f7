"""The same model for FastAPI, which has no batches: a lock keeps a second call out."""

import threading
import time

from fastapi import Body, FastAPI

app = FastAPI()
lock = threading.Lock()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(item: str = Body(embed=True)) -> str:
    with lock:
        time.sleep(0.021)
        if item.startswith("poison"):
            raise ValueError(f"cannot read {item}")
        return f"answer to {item}"

"""The same function as a FastAPI `def` endpoint, one song a call."""

from typing import Annotated

from fastapi import Body, FastAPI

from bench.contestants.forest import FOREST

app = FastAPI()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def genre(song: Annotated[list[float], Body()]) -> str:
    return str(FOREST.predict([song])[0])

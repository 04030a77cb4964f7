"""The same for FastAPI."""

from fastapi import Body, FastAPI

app = FastAPI()


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(id: str = Body(embed=True)) -> str:
    return id

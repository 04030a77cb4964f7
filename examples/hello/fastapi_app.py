"""Hello by query, in FastAPI."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello(name: str) -> dict[str, str]:
    return {"message": f"Hello! {name}"}

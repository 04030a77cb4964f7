"""Messages to a shop, each with its topic, told as soon as it is known: FastAPI, lines of JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

import joblib
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(Path(__file__).parent / "topics.joblib")


class Messages(BaseModel):
    messages: list[str]


@app.post("/topics")
def topics(asked: Messages) -> StreamingResponse:
    def steps() -> Iterator[str]:
        for done, text in enumerate(asked.messages, 1):
            step = {"text": text, "topic": str(model.predict([text])[0]), "done": done, "of": len(asked.messages)}
            yield json.dumps(step) + "\n"

    return StreamingResponse(steps(), media_type="application/x-ndjson")

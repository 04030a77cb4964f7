"""FastAPI with ONNX Runtime, as an expert writes it: on the event loop, one thread, a ready-made response."""

import numpy as np
import onnxruntime as ort
import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel

CLASSES = ["Hip-Hop", "Rock"]


class Track(BaseModel):
    acousticness: float
    danceability: float
    energy: float
    instrumentalness: float
    liveness: float
    speechiness: float
    tempo: float
    valence: float


options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession("build/genre.onnx", options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(track: Track) -> Response:
    features = np.array(
        [
            [
                track.acousticness,
                track.danceability,
                track.energy,
                track.instrumentalness,
                track.liveness,
                track.speechiness,
                track.tempo,
                track.valence,
            ]
        ],
        dtype=np.float32,
    )
    labels, probabilities = session.run(None, {"X": features})
    answer = {"prediction": labels[0], "probabilities": dict(zip(CLASSES, probabilities[0].tolist(), strict=True))}
    return Response(orjson.dumps(answer), media_type="application/json")

"""BlackSheep with ONNX Runtime on Granian, as an expert writes it: on the event loop, one thread, orjson both ways."""

import numpy as np
import onnxruntime as ort
import orjson
from blacksheep import Application, Content, Request, Response, post

FEATURES = [
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
]
CLASSES = ["Hip-Hop", "Rock"]

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession("build/genre.onnx", options, providers=["CPUExecutionProvider"])
app = Application()


@post("/predict")
async def predict(request: Request) -> Response:
    data = orjson.loads(await request.read() or b"")
    features = np.array([[data[name] for name in FEATURES]], dtype=np.float32)
    labels, probabilities = session.run(None, {"X": features})
    answer = {"prediction": labels[0], "probabilities": dict(zip(CLASSES, probabilities[0].tolist(), strict=True))}
    return Response(200, content=Content(b"application/json", orjson.dumps(answer)))

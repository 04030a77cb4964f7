"""The model as Modelport has compiled it, run by ONNX Runtime: what differs from Modelport is the framework alone."""

import numpy as np
import onnxruntime as ort

FIELDS = [
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
]

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC  # beyond it, answers move by 1e-8
SESSION = ort.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
CLASSES = ['Hip-Hop', 'Rock']
NAMES = [str(name) for name in CLASSES]


def predict(records):
    """Answers to records, each a dictionary."""
    rows = np.array([[record[name] for name in FIELDS] for record in records], dtype=np.float64)
    labels, table = SESSION.run(["labels", "probabilities"], {"records": rows})
    return [
        {"prediction": CLASSES[i], "probabilities": dict(zip(NAMES, row, strict=True))}
        for i, row in zip(labels[:, 0].tolist(), table.tolist(), strict=True)
    ]

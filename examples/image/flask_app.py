"""Handwritten digits in Flask: an upload, decoded and scaled by hand."""

from pathlib import Path

import joblib
import numpy as np
from flask import Flask, abort, request
from PIL import Image, UnidentifiedImageError

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 4 * 2**20
model = joblib.load(Path(__file__).parent / "digits.joblib")


@app.post("/digit")
def digit() -> dict[str, int]:
    if "picture" not in request.files:
        abort(400, "send the picture as a file called picture")
    try:
        picture = Image.open(request.files["picture"].stream).convert("L").resize((8, 8))
    except (UnidentifiedImageError, OSError):
        abort(415, "this is no picture")
    ink = 1 - np.asarray(picture, dtype=float) / 255
    return {"digit": int(model.predict(ink.reshape(1, -1))[0])}

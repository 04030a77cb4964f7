"""Flask behind Gunicorn's sync worker, as tutorials write it.

Tutorials pass either a list of numbers or a new DataFrame to ``predict``. The list stands here: it is the faster one,
with a model fitted on arrays, as theirs are (``bench/prepare_music.py``).
"""

import joblib
from flask import Flask, Response, jsonify, request

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

app = Flask(__name__)
model = joblib.load("build/bench/genre.joblib")


@app.route("/predict", methods=["POST"])
def predict() -> Response:
    data = request.get_json()
    features = [[data[name] for name in FEATURES]]
    prediction = model.predict(features)[0]
    probabilities = model.predict_proba(features)[0]
    return jsonify(
        {
            "prediction": prediction,
            "probabilities": dict(zip(model.classes_, probabilities, strict=True)),
        }
    )

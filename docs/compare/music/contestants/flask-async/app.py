"""Flask with `async def` views: each call makes an event loop of its own, in the thread that has the request."""

from flask import Flask, jsonify, request

import model

app = Flask(__name__)


@app.post("/predict")
async def predict():
    return jsonify(model.predict([request.get_json()])[0])


@app.post("/predict/batch")
async def predict_batch():
    return jsonify(model.predict(request.get_json()))

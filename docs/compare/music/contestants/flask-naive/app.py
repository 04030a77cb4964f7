"""Flask, as tutorials write it: what comes is not validated."""

from flask import Flask, jsonify, request

import model

app = Flask(__name__)


@app.post("/predict")
def predict():
    return jsonify(model.predict([request.get_json()])[0])


@app.post("/predict/batch")
def predict_batch():
    return jsonify(model.predict(request.get_json()))

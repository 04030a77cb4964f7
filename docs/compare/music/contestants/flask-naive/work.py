"""Flask, asked for more than a prediction of a small row."""

from flask import Flask, jsonify, request

import tasks

app = Flask(__name__)


@app.post("/wait")
def wait():
    tasks.wait()
    return jsonify(request.get_json()["id"])


@app.post("/hold-gil")
def hold_gil():
    tasks.hold_gil()
    return jsonify(request.get_json()["id"])


@app.post("/release-gil")
def release_gil():
    tasks.release_gil()
    return jsonify(request.get_json()["id"])


@app.post("/array-in")
def array_in():
    return jsonify(tasks.mean(request.get_json()))


@app.post("/vectors-out")
def vectors_out():
    return jsonify(tasks.VECTORS.tolist())


@app.post("/image-in")
def image_in():
    return jsonify(len(request.get_data()))

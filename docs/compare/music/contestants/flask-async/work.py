"""Flask with `async def` views, asked for more than a prediction of a small row; orjson reads and writes."""

import asyncio

import orjson
from flask import Flask, Response, jsonify, request
from flask.json.provider import JSONProvider

import tasks

class QuickJSON(JSONProvider):
    """orjson in place of the standard library, as Flask's documentation lets one replace it; arrays need not become lists."""

    def dumps(self, obj, **kwargs):
        return orjson.dumps(obj, option=orjson.OPT_SERIALIZE_NUMPY).decode()

    def loads(self, s, **kwargs):
        return orjson.loads(s)

    def response(self, *args, **kwargs):
        content = orjson.dumps(self._prepare_response_obj(args, kwargs), option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(content, mimetype="application/json")


app = Flask(__name__)
app.json = QuickJSON(app)


@app.post("/wait")
async def wait():
    await asyncio.sleep(tasks.WAIT_S)
    return jsonify(request.get_json()["id"])


@app.post("/hold-gil")
async def hold_gil():
    tasks.hold_gil()
    return jsonify(request.get_json()["id"])


@app.post("/release-gil")
async def release_gil():
    tasks.release_gil()
    return jsonify(request.get_json()["id"])


@app.post("/array-in")
async def array_in():
    return jsonify(tasks.mean(request.get_json()))


@app.post("/vectors-out")
async def vectors_out():
    return jsonify(tasks.VECTORS)


@app.post("/image-in")
async def image_in():
    return jsonify(len(request.get_data()))

"""A Flask application as people have them: a session, a user on `g`, a header on every answer. Both servers run this file."""

import time

from flask import Flask, Response, g, jsonify, request, session

app = Flask(__name__)
app.secret_key = "for the benchmark only"


@app.before_request
def load_user() -> None:
    g.user = session.get("user", "nobody")


@app.after_request
def tell_user(response: Response) -> Response:
    response.headers["X-User"] = g.user
    return response


@app.get("/livez")
def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/quick")
def quick() -> Response:
    return jsonify({"id": request.get_json()["id"], "user": g.user})


@app.post("/waiting")
def waiting() -> Response:
    time.sleep(0.01)
    return jsonify({"id": request.get_json()["id"], "user": g.user})

"""The tracks: list, look, upload, download, and what genre one is."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from flask import Blueprint, abort, flash, g, jsonify, redirect, render_template, request, send_file, session, url_for

pages = Blueprint("tracks", __name__)
model = joblib.load(Path(__file__).parent.parent / "genre.joblib")
FIELDS = ["acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "tempo", "valence"]


def count() -> int:
    return int(g.database.execute("SELECT count(*) FROM track").fetchone()[0])


@pages.get("/tracks")
def index() -> str:
    return render_template(
        "tracks.html", tracks=g.database.execute("SELECT id, title FROM track ORDER BY id").fetchall()
    )


@pages.get("/tracks/<int:number>")
def show(number: int) -> dict[str, Any]:
    found = g.database.execute("SELECT title, tempo FROM track WHERE id = ?", [number]).fetchone()
    if found is None:
        abort(404)
    return {"title": found[0], "tempo": found[1]}


@pages.get("/tracks/average")
def average() -> dict[str, float]:
    tempos = [tempo for (tempo,) in g.database.execute("SELECT tempo FROM track")]
    return {"tempo": sum(tempos) / len(tempos)}


@pages.post("/tracks")
def upload() -> Any:
    if g.user is None:
        abort(401)
    if "file" not in request.files:
        abort(400, "choose a file")
    rows = csv.DictReader(io.TextIOWrapper(request.files["file"].stream, "utf-8"))
    try:
        added = [(row["title"], float(row["tempo"])) for row in rows]
    except (KeyError, ValueError):
        abort(400, "the file wants the columns title and tempo")
    with g.database:
        g.database.executemany("INSERT INTO track (title, tempo) VALUES (?, ?)", added)
    flash(f"{len(added)} tracks added.")
    return redirect(url_for("tracks.index"))


@pages.get("/tracks.csv")
def export() -> Any:
    rows = g.database.execute("SELECT title, tempo FROM track ORDER BY id").fetchall()

    def lines() -> Iterator[str]:
        yield "title,tempo\n"
        for title, tempo in rows:
            yield f"{title},{tempo}\n"

    return lines(), {"content-type": "text/csv"}


@pages.get("/logo.svg")
def logo() -> Any:
    return send_file(Path(__file__).with_name("logo.svg"), conditional=True)


@pages.post("/predict")
def predict() -> Any:
    if g.user is None:
        abort(401)
    song = request.get_json()
    genre = model.predict(pd.DataFrame([song])[FIELDS])[0]
    session["asked"] = session.get("asked", 0) + 1
    return jsonify({"genre": genre})

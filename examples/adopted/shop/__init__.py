"""A record shop in Flask: accounts, tracks, uploads, downloads, error pages."""

import os
import sqlite3

from flask import Flask, g, render_template, session
from werkzeug.exceptions import HTTPException

from shop import account, tracks

USERS = {"ann": "rock", "bob": "hiphop"}


def create_app(database: str | None = None) -> Flask:
    app = Flask(__name__)
    app.secret_key = os.environ.get("SHOP_SECRET", "for development only")
    app.config["DATABASE"] = database or os.environ.get("SHOP_DATABASE", "shop.sqlite")
    app.config["MAX_CONTENT_LENGTH"] = 2**20
    app.config["USERS"] = USERS
    app.register_blueprint(account.pages)
    app.register_blueprint(tracks.pages)
    with sqlite3.connect(app.config["DATABASE"]) as database_file:
        database_file.execute("CREATE TABLE IF NOT EXISTS track (id INTEGER PRIMARY KEY, title TEXT, tempo REAL)")

    @app.before_request
    def load_user() -> None:
        g.user = session.get("user")
        g.database = sqlite3.connect(app.config["DATABASE"])

    @app.teardown_request
    def close_database(error: BaseException | None) -> None:
        if (opened := g.pop("database", None)) is not None:
            opened.close()

    @app.after_request
    def forbid_frames(response):  # type: ignore[no-untyped-def]
        response.headers["X-Frame-Options"] = "DENY"
        return response

    @app.errorhandler(HTTPException)
    def error_page(error):  # type: ignore[no-untyped-def]
        return render_template("error.html", error=error), error.code

    @app.get("/")
    def home() -> str:
        return render_template("home.html", count=tracks.count())

    return app

"""Takes the place of the tutorial's own conftest: the same fixtures, but its client speaks HTTP with a served application."""

from __future__ import annotations

import http.client
import os
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flaskr import create_app  # type: ignore[import-not-found]
from flaskr.db import get_db, init_db  # type: ignore[import-not-found]
from werkzeug.test import Client, TestResponse

DATA = (Path(__file__).parent / "data.sql").read_text()


def over_http(environ: Any, start_response: Any) -> list[bytes]:
    """WSGI: hand a request of the test client to the server, and its answer back."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    body = environ["wsgi.input"].read()
    if body:
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    path = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
    with closing(http.client.HTTPConnection(urlsplit(os.environ["FLASKR_URL"]).netloc, timeout=20)) as there:
        there.request(environ["REQUEST_METHOD"], path, body, headers)
        with there.getresponse() as answer:
            start_response(f"{answer.status} {answer.reason}", answer.getheaders())
            return [answer.read()]


class ServedClient(Client):
    """In a `with` block `session` and `g` are what the application makes of the cookies that the server has set."""

    def __init__(self, app: Flask) -> None:
        super().__init__(over_http, TestResponse)
        self._app = app
        self._keeps = False
        self._context: Any = None

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """One request."""
        response = super().open(*args, **kwargs)
        if self._keeps:
            self._leave()
            cookies = "; ".join(f"{c.key}={c.value}" for c in self._cookies.values()) if self._cookies else ""
            self._context = self._app.test_request_context("/", headers={"Cookie": cookies})
            self._context.push()
            self._app.preprocess_request()
        return response

    def _leave(self) -> None:
        if self._context is not None:
            self._context.pop()
            self._context = None

    def __enter__(self) -> Self:
        self._keeps = True
        return self

    def __exit__(self, *_: object) -> None:
        self._keeps = False
        self._leave()


@pytest.fixture
def app() -> Flask:
    """The application on the server's own database, made anew."""
    app: Flask = create_app({"TESTING": True, "DATABASE": os.environ["FLASKR_DATABASE"]})
    with app.app_context():
        init_db()
        get_db().executescript(DATA)
    return app


@pytest.fixture
def client(app: Flask) -> ServedClient:
    """A client of the server."""
    return ServedClient(app)


@pytest.fixture
def runner(app: Flask) -> Any:
    """Of the application's commands."""
    return app.test_cli_runner()


class AuthActions:
    """Logs in and out."""

    def __init__(self, client: ServedClient) -> None:
        self._client = client

    def login(self, username: str = "test", password: str = "test") -> TestResponse:
        """With the account of the test data, unless told otherwise."""
        return self._client.post("/auth/login", data={"username": username, "password": password})

    def logout(self) -> TestResponse:
        """And out."""
        return self._client.get("/auth/logout")


@pytest.fixture
def auth(client: ServedClient) -> AuthActions:
    """For the client."""
    return AuthActions(client)

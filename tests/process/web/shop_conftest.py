"""Takes the place of the shop's own conftest: its client speaks HTTP with a served application."""

from __future__ import annotations

import http.client
import os
from contextlib import closing
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse


def over_http(environ: Any, start_response: Any) -> list[bytes]:
    """WSGI: hand a request of the test client to the server, and its answer back."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    body = environ["wsgi.input"].read()
    if body:
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    with closing(http.client.HTTPConnection("127.0.0.1", int(os.environ["SHOP_PORT"]), timeout=20)) as there:
        there.request(environ["REQUEST_METHOD"], environ["PATH_INFO"], body, headers)
        with there.getresponse() as answer:
            start_response(f"{answer.status} {answer.reason}", answer.getheaders())
            return [answer.read()]


@pytest.fixture
def client() -> Client:
    """A client of the server, with cookies of its own."""
    return Client(over_http, TestResponse)

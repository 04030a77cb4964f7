"""Stands in for a weather service on the internet:  python upstream.py

`GET /current?city=Paris` answers `{"city": "Paris", "temp_c": 21.5}`, or 404 for a city that it does not know. `PORT` is where.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TEMPERATURES = {"London": 11.5, "Paris": 21.5, "Oslo": -3.0}


class Weather(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query).get("city", [""])[0]
        known = asked in TEMPERATURES
        answer = {"city": asked, "temp_c": TEMPERATURES[asked]} if known else {"error": f"no city {asked!r}"}
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Weather).serve_forever()

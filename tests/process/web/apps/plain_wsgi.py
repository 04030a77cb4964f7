"""WSGI as the standard describes it, without a framework."""

import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

COUNTS: Counter[str] = Counter()
COUNTED = ("reading", "cut", "endless closed", "file closed", "raised again")
TYPE = [("Content-Type", "text/plain")]


def answer(start: Any, body: bytes, status: str = "200 OK", **headers: str) -> list[bytes]:
    """In one piece."""
    start(status, [*TYPE, *((name.replace("_", "-"), value) for name, value in headers.items())])
    return [body]


class Endless:
    """Parts without end; counts how often it is closed."""

    def __iter__(self) -> Iterator[bytes]:
        """Parts."""
        while True:
            yield b"x" * 10_000
            time.sleep(0.001)

    def close(self) -> None:
        """Counted."""
        COUNTS["endless closed"] += 1


class File(io.BytesIO):
    """A file that counts its end."""

    def close(self) -> None:
        """Counted."""
        COUNTS["file closed"] += not self.closed
        super().close()


def read_to_the_end(environ: Any, start: Any) -> list[bytes]:
    """Counts what breaks off."""
    COUNTS["reading"] += 1
    try:
        environ["wsgi.input"].read()
    except OSError:
        COUNTS["cut"] += 1
        raise
    return answer(start, b"whole")


def broken(start: Any) -> Iterator[bytes]:
    """One part, then no more."""
    start("200 OK", TYPE)
    yield b"first"
    raise RuntimeError("no second part")


def replaced(start: Any) -> list[bytes]:
    """An error page instead of what was begun."""
    start("200 OK", TYPE)
    try:
        raise KeyError
    except KeyError:
        start("502 Bad Gateway", TYPE, sys.exc_info())
    return [b"an error page"]


def too_late(start: Any) -> Iterator[bytes]:
    """An error page when the head is out already."""
    start("200 OK", TYPE)
    yield b"first"
    try:
        try:
            raise KeyError
        except KeyError:
            start("502 Bad Gateway", TYPE, sys.exc_info())
    except KeyError:
        COUNTS["raised again"] += 1
        raise


def valid(environ: Any, start: Any) -> list[bytes]:
    """For the validator."""
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return answer(start, b"valid")


VALIDATED: Any = validator(valid)


def write(start: Any) -> list[bytes]:
    """The old way."""
    start("200 OK", TYPE)(b"written")
    return [b"returned"]


def app(environ: Any, start: Any) -> Any:
    """Everything, by path."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = environ["wsgi.input"]
    if path.startswith("/environ"):
        return answer(start, json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode())
    if path.startswith("/validated"):
        return VALIDATED(environ, start)
    while path == "/busy" and not Path(query).exists():
        time.sleep(0.01)
    if path == "/exit":
        sys.exit(3)
    pages: dict[str, Callable[[], Any]] = {
        "/read": lambda: answer(start, body.read()),
        "/lines": lambda: answer(start, str(sum(1 for _ in body)).encode()),
        "/count": lambda: answer(start, str(sum(len(part) for part in iter(lambda: body.read(1000), b""))).encode()),
        "/counts": lambda: answer(start, json.dumps({name: COUNTS[name] for name in COUNTED}).encode()),
        "/cut": lambda: read_to_the_end(environ, start),
        "/endless": lambda: (start("200 OK", TYPE), Endless())[1],
        "/broken": lambda: broken(start),
        "/raise": lambda: [b"%d" % (1 // 0)],
        "/replaced": lambda: replaced(start),
        "/too-late": lambda: too_late(start),
        "/write": lambda: write(start),
        "/file": lambda: (start("200 OK", TYPE), environ["wsgi.file_wrapper"](File(b"x" * 300_000)))[1],
        "/status": lambda: answer(start, b"none", f"{query} Such", Content_Length="4"),
        "/sized": lambda: answer(start, b"sized", Content_Length="5"),
        "/one-piece": lambda: answer(start, b"one piece"),
        "/longer": lambda: answer(start, b"123456", Content_Length="5"),
        "/shorter": lambda: answer(start, b"12345", Content_Length="6"),
        "/busy": lambda: answer(start, b"done"),
    }
    return pages[path]()


class Application:
    """Found without a name: it is an instance that is called with two arguments."""

    def __call__(self, environ: Any, start: Any) -> Any:
        """One request."""
        return app(environ, start)


application = Application()

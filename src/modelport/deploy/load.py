"""Asking a service that runs here: for what it tells of itself, and for some seconds as hard as a few callers can."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

LOAD_SECONDS = 3.0
CALLERS = 8
ROWS = 64
"""Of the list that is asked beside the single example."""
LOOK_EVERY_S = 0.25
LOOK_CLOSELY_S = 0.02
LONGEST_LOOK_S = 10.0
ENOUGH_S, STILL_BYTES = 2.0, 2**20
"""A large body has been read when memory stands still for so long, whoever works on it still."""
FAILED = b'{"error":{"code":'
"""In a list that is answered, the place of a record that failed."""


@dataclass(frozen=True, slots=True)
class Request:
    """One example of a model."""

    path: str
    body: bytes
    rows: int
    model: str


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it."""

    peak_bytes: int
    answered: int
    """How many calls were."""
    slowest_s: float
    """The slowest of them."""
    rows_per_s: dict[str, float]
    """Of each model of which any was answered."""


@dataclass(slots=True)
class _Tally:
    """Of one caller."""

    answered: int = 0
    slowest_s: float = 0.0
    rows: Counter[str] = field(default_factory=Counter)


def ask(port: int, method: str, path: str, body: bytes | None = None, timeout_s: float = 60.0) -> tuple[int, bytes]:
    """One request on a line of its own. Raises OSError or HTTPException where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get(port: int, path: str) -> Any:
    """A document of the service's."""
    return json.loads(ask(port, "GET", path)[1])


def examples(port: int) -> list[Request]:
    """Every model's own example, alone and in a list."""
    found = []
    for model in get(port, "/models")["models"]:
        name, example = model["name"], model.get("example")
        if example is not None:
            path = f"/models/{quote(name)}/predict"
            found.append(Request(path, json.dumps(example).encode(), 1, name))
            found.append(Request(path, json.dumps([example] * ROWS).encode(), ROWS, name))
    return found


def put_under_load(port: int, requests: Sequence[Request], look: Callable[[], int]) -> Load:
    """Ask all of them from several callers; `look` tells the memory, and is asked all the while."""
    began = time.monotonic()
    until = began + (LOAD_SECONDS if requests else 0)
    tallies = [_Tally() for _ in range(CALLERS)]
    callers = [
        threading.Thread(target=_call, args=(port, requests, number, until, tally), daemon=True)
        for number, tally in enumerate(tallies)
    ]
    for caller in callers:
        caller.start()
    peak = 0
    while any(caller.is_alive() for caller in callers):
        time.sleep(LOOK_EVERY_S)
        peak = max(peak, look())
    lasted = max(time.monotonic() - began, 0.001)
    return Load(
        peak,
        sum(tally.answered for tally in tallies),
        max(tally.slowest_s for tally in tallies),
        {model: rows / lasted for model, rows in sum((tally.rows for tally in tallies), Counter[str]()).items()},
    )


def _call(port: int, requests: Sequence[Request], turn: int, until: float, tally: _Tally) -> None:
    while time.monotonic() < until:
        request = requests[turn % len(requests)]
        turn += 1
        began = time.monotonic()
        try:
            status, answer = ask(port, "POST", request.path, request.body)
        except (OSError, http.client.HTTPException):  # whether it is gone is for who looks at its memory to say
            return
        if status == 200 and FAILED not in answer:
            tally.answered += 1
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - began)
            tally.rows[request.model] += request.rows


def largest(port: int, most_bytes: int) -> list[Request]:
    """A list for every model, as large as a body may be."""
    found = []
    for model in get(port, "/models")["models"]:
        example = model.get("example")
        if example is not None:
            item = json.dumps(example).encode()
            rows = max(1, (most_bytes - 2) // (len(item) + 1))
            body = b"[" + b",".join([item] * rows) + b"]"
            found.append(Request(f"/models/{quote(model['name'])}/predict", body, rows, model["name"]))
    return found


def growth(port: int, request: Request, look: Callable[[], int]) -> float:
    """Bytes of memory that a byte of this body takes while it is answered or refused; never less than its own."""
    before = peak = look()
    grown = time.monotonic()
    caller = threading.Thread(target=_call_once, args=(port, request), daemon=True)
    caller.start()
    while caller.is_alive() and time.monotonic() - grown < ENOUGH_S:
        if (now := look()) > peak + STILL_BYTES:
            peak, grown = now, time.monotonic()
        caller.join(LOOK_CLOSELY_S)
    return max(1.0, (peak - before) / len(request.body))


def _call_once(port: int, request: Request) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):  # a refusal may hang up before all was sent
        ask(port, "POST", request.path, request.body, LONGEST_LOOK_S)

"""Ask a server over HTTP: for its first right answer, and for its answer to every row of the pool."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.harness.errors import BenchError
from modelport.compare.processes import ServerProcess

POLL_S = 0.002
START_LIMIT_S = 60.0
ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


def first_answer_s(server: ServerProcess, path: str, body: bytes, is_right: Callable[[Answer], bool]) -> float:
    """Return the seconds from the launch of the process to its first right answer, asked for every 2 ms."""
    while True:
        answer = _try_post(server.port, path, body)
        now_s = time.perf_counter() - server.started_s
        if answer is not None and is_right(answer):
            return now_s
        server.check_alive()
        if now_s > START_LIMIT_S:
            last = "nothing" if answer is None else f"{answer.status} {answer.body[:200]!r}"
            raise BenchError(f"no right answer within {START_LIMIT_S:g} s, last seen: {last}\n{server.log_tail()}")
        time.sleep(POLL_S)


def post_at_once(port: int, path: str, bodies: Sequence[bytes], *, connections: int) -> list[Answer]:
    """Return the answers to all bodies, in order, asked over several connections at the same time.

    A server that forms batches can mix up answers only when it is asked this way.
    """
    shares = [bodies[first::connections] for first in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        answered = list(pool.map(lambda share: post_all(port, path, share), shares))
    return [answered[number % connections][number // connections] for number in range(len(bodies))]


def post_all(port: int, path: str, bodies: Sequence[bytes]) -> list[Answer]:
    """Return the answers to all bodies, in order, over one connection where the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_S)
    try:
        return [_post(connection, path, body) for body in bodies]
    finally:
        connection.close()


def fetch_status(port: int, path: str) -> int:
    """Return the status of a GET, or 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _try_post(port: int, path: str, body: bytes) -> Answer | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_S)
    try:
        return _post(connection, path, body)
    except (OSError, http.client.HTTPException):
        return None  # not listening yet, or dropped while starting
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> Answer:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())

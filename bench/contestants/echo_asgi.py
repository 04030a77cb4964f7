"""The ceiling of a plain ASGI server: it reads the body and answers a constant the size of a real answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from bench.contestants.constant_answer import BODY, HEADERS

START = {"type": "http.response.start", "status": 200, "headers": HEADERS}
END = {"type": "http.response.body", "body": BODY}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer every request alike, after its whole body was read."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send(START)
    await send(END)

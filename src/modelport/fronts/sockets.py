"""A stream over a WebSocket: the first message is the body, then comes a message for each item, and a close code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from modelport.codecs.stream_forms import FORMS, MESSAGES
from modelport.errors import BodyTooLarge, Problem
from modelport.fronts.asgi_streams import AsgiStream, Message, Receive, Send, until
from modelport.fronts.exchange import Exchange
from modelport.fronts.predict import PredictRoute
from modelport.fronts.status import error_body, simple_error

CLOSE_NORMAL = 1000
CLOSE_STATUS = 4000
"""A stream that fails closes with this and the status that it would have had over HTTP: 4422, 4503."""
SILENT_SECONDS = 75.0
"""That a connection may be open without its one message: as long as one that is kept alive may be idle."""
NO_MESSAGE = "No message came"
SEND_SOON = "send the body as the first message, within 75 s"


class SocketExchange(Exchange, Protocol):
    """What is made of the first message."""

    answer: asyncio.Future[Any]


async def serve_socket(
    route: PredictRoute, make: Callable[[Mapping[bytes, bytes]], SocketExchange], headers: Mapping[bytes, bytes],
    receive: Receive, send: Send, max_body: int,
) -> None:  # fmt: skip
    """One connection, one stream."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    try:
        message = await asyncio.wait_for(receive(), SILENT_SECONDS)
    except TimeoutError:
        return await _send_error(408, simple_error(("body",), NO_MESSAGE, "request_timeout", SEND_SOON), send)
    if message["type"] != "websocket.receive":
        return None
    exchange = make(headers)
    exchange.accept, exchange.special = MESSAGES, False
    exchange.content_type, exchange.content_encoding = b"application/json", None
    exchange.body = _body_of(message)
    if len(exchange.body) > max_body:
        return await _send_error(413, error_body(BodyTooLarge([_too_large(max_body)])), send)
    try:
        route.serve(exchange)
        await _send_answer(exchange, receive, send)
    finally:
        route.reception.release(exchange)
    return None


def _body_of(message: Message) -> bytes:
    text = message.get("text")
    return bytes(message.get("bytes") or b"") if text is None else text.encode()


async def _send_answer(exchange: SocketExchange, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(until(receive, "websocket.disconnect"))
    try:
        await asyncio.wait({gone, exchange.answer}, return_when=asyncio.FIRST_COMPLETED)
        if not exchange.answer.done():
            return _leave(exchange)
        answer = exchange.answer.result()
        if not isinstance(answer, AsgiStream):
            return await _send_error(answer.status, answer.body, send)
        if await answer.pump(lambda part: _put(part, send), gone):
            code = CLOSE_NORMAL if answer.status == 200 else CLOSE_STATUS + answer.status
            await send({"type": "websocket.close", "code": code})
    finally:
        gone.cancel()
    return None


def _leave(exchange: SocketExchange) -> None:
    exchange.answer.cancel()
    if exchange.on_disconnect is not None:
        exchange.on_disconnect()


async def _put(part: bytes, send: Send) -> None:
    await send({"type": "websocket.send", "text": part.decode()})


async def _send_error(status: int, body: bytes, send: Send) -> None:
    await _put(FORMS[MESSAGES].error(status, body), send)
    await send({"type": "websocket.close", "code": CLOSE_STATUS + status})


def _too_large(limit: int) -> Problem:
    message = f"The message is larger than {limit:,} bytes"
    return Problem(("body",), message, "body_too_large", None, "send less, or raise --max-body")

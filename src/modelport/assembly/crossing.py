"""A model's endpoint for those who ask from another thread: the web lane."""

from __future__ import annotations

from typing import Any

from modelport.fronts.asgi import AsgiExchange
from modelport.fronts.exchange import Headers
from modelport.fronts.predict import PredictRoute
from modelport.mount.lane import WebLane


class CrossingRoute:
    """A model's endpoint, asked from the web lane's thread. It looks like a `PredictRoute` to who asks."""

    def __init__(self, route: PredictRoute, lane: WebLane) -> None:
        self._route = route
        self._lane = lane

    def serve(self, exchange: AsgiExchange) -> None:
        """Have it served on the worker's own loop."""
        there = _There(exchange, self._lane)
        exchange.on_disconnect = there.leave
        self._lane.to_main(self._route.serve, there)


class _There:
    """An exchange in the worker's own thread, whose answer belongs to the web lane's."""

    def __init__(self, exchange: AsgiExchange, lane: WebLane) -> None:
        self.content_type = exchange.content_type
        self.content_encoding = exchange.content_encoding
        self.timeout = exchange.timeout
        self.request_id = exchange.request_id
        self.body = exchange.body
        self.arrived = exchange.arrived
        self.alone = False
        self.on_disconnect: Any = None
        self._exchange = exchange
        self._lane = lane

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Hand the answer back."""
        self._lane.post(lambda answer: self._exchange.respond(*answer), (status, body, headers))

    def leave(self) -> None:
        """The caller is gone; from the lane's thread."""
        self._lane.to_main(lambda _: self.on_disconnect and self.on_disconnect())

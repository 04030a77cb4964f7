"""A model's endpoint for those who ask from another thread: the web lane."""

from __future__ import annotations

from typing import Any

from modelport.fronts.asgi import AsgiExchange
from modelport.fronts.exchange import CopiedExchange, Headers
from modelport.fronts.predict import PredictRoute
from modelport.fronts.reception import Reception
from modelport.kernel.admission import Refusal
from modelport.mount.lane import WebLane


class CrossingRoute:
    """A model's endpoint, asked from the web lane's thread. It looks like a `PredictRoute` to who asks."""

    def __init__(self, route: PredictRoute, lane: WebLane) -> None:
        self._route = route
        self._lane = lane
        self.reception = route.reception.counted_by(lane.to_main)

    def shed(self, exchange: AsgiExchange, refusal: Refusal) -> None:
        """Answer that there is no room, and have it counted."""
        self._lane.to_main(self._route.count_shed, (refusal, exchange.arrived))
        self._route.tell_shed(exchange, refusal)

    def serve(self, exchange: AsgiExchange) -> None:
        """Have it served on the worker's own loop."""
        there = _There(exchange, self._lane, self._route.reception)
        exchange.on_disconnect = there.leave
        self._lane.to_main(self._route.serve, there)


class _There(CopiedExchange):
    """An exchange in the worker's own thread, whose answer belongs to the web lane's."""

    def __init__(self, exchange: AsgiExchange, lane: WebLane, reception: Reception) -> None:
        super().__init__(exchange)
        self.reserved, exchange.reserved = exchange.reserved, 0  # released in this thread from now on
        self._reception = reception
        self.on_disconnect: Any = None
        self._exchange = exchange
        self._lane = lane

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Hand the answer back."""
        self._reception.release(self)
        self._lane.post(lambda answer: self._exchange.respond(*answer), (status, body, headers))

    def leave(self) -> None:
        """The caller is gone; from the lane's thread."""
        self._lane.to_main(self._leave)

    def _leave(self, _: Any) -> None:
        self._reception.release(self)
        if self.on_disconnect is not None:
            self.on_disconnect()

"""A model's endpoint for those who ask from another thread: the web lane."""

from __future__ import annotations

from functools import partial
from typing import Any

from modelport.fronts.asgi import AsgiExchange
from modelport.fronts.asgi_streams import UNSENT_BYTES
from modelport.fronts.exchange import CopiedExchange, Headers, Writer
from modelport.fronts.predict import PredictRoute
from modelport.fronts.reception import Reception
from modelport.kernel.admission import Refusal
from modelport.mount.lane import WebLane


class CrossingRoute:
    """A model's endpoint, asked from the web lane's thread. It looks like a `PredictRoute` to who asks."""

    streams = False  # over WebSockets: whoever guards the models does not see those

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
        self._unsent = 0
        self._writer: Writer | None = None
        self._exchange = exchange
        self._lane = lane

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """Hand the answer back."""
        self._reception.release(self)
        self._lane.post(lambda answer: self._exchange.respond(*answer), (status, body, headers))

    def open(self, headers: Headers, writer: Writer) -> None:
        """Hand back an answer that comes in parts."""
        self._reception.release(self)
        self._writer = writer
        there = _WriterThere(writer, self._lane)
        taken = partial(self._lane.to_main, self._taken)
        self._lane.post(lambda opened: self._exchange.open(*opened), (headers, there, taken))

    def write(self, part: bytes) -> bool:
        """Hand back a part of it."""
        self._unsent += len(part)
        self._lane.post(self._write, part)
        return self._unsent < UNSENT_BYTES

    def _write(self, part: bytes) -> None:
        """In the lane's thread."""
        self._exchange.write(part)

    def finish(self, last: bytes, status: int) -> None:
        """Hand back the last part."""
        self._lane.post(lambda end: self._exchange.finish(*end), (last, status))

    def _taken(self, size: int) -> None:
        before, self._unsent = self._unsent, self._unsent - size
        if before >= UNSENT_BYTES // 2 > self._unsent and self._writer is not None:
            self._writer.resume()

    def leave(self) -> None:
        """The caller is gone; from the lane's thread."""
        self._lane.to_main(self._leave)

    def _leave(self, _: Any) -> None:
        self._reception.release(self)
        if self.on_disconnect is not None:
            self.on_disconnect()


class _WriterThere:
    """Who writes a streamed answer, as the web lane's thread knows them."""

    def __init__(self, writer: Writer, lane: WebLane) -> None:
        self._writer = writer
        self._lane = lane

    def resume(self) -> None:
        """Nothing: what was taken is counted in the worker's own thread."""

    def leave(self) -> None:
        """The caller is gone."""
        self._lane.to_main(lambda _: self._writer.leave())

    def give_up(self) -> None:
        """The service has to end."""
        self._lane.to_main(lambda _: self._writer.give_up())

"""One HTTP worker: our protocol on an embedded Uvicorn server, on a socket that somebody else opened."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from math import ceil, inf
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from modelport.fronts.predict import PredictRoute
from modelport.fronts.protocol import ModelportProtocol
from modelport.fronts.reception import LARGE_BODY
from modelport.fronts.web import Lane, WebExchange

END_SECONDS = 2.0
"""Before the end of the time to stop, calls are given up: answers have to leave, and holders to end after the workers."""
LAST_WORDS_SECONDS = 0.2


class WorkerServer(uvicorn.Server):
    """Uvicorn's server without its signal habits: SIGTERM drains and exits 0, SIGINT is the supervisor's to handle."""

    on_drain: Callable[[], None] | None = None
    drain_delay_s = 0.0
    stop_s = inf
    """From the order to finish until every process of the service has to be gone."""

    def hand_to(self, lane: Lane, ours: Callable[[str], bool], max_body: int) -> None:
        """From now on requests whose path is not `ours` are the web lane's, and WebSockets are accepted."""

        def serve_elsewhere(cycle: RequestResponseCycle) -> WebExchange | None:
            return None if ours(cycle.scope["path"]) else WebExchange(cycle, lane, max_body)

        protocol: Any = self.config.http
        protocol.serve_elsewhere = staticmethod(serve_elsewhere)
        protocol.websockets = _websocket_protocol()

    def accept_sockets(self) -> None:
        """From now on WebSockets are accepted, where a library for them is installed."""
        protocol: Any = self.config.http
        protocol.websockets = protocol.websockets or _websocket_protocol()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM asks to finish; a terminal's Ctrl-C reaches the supervisor, which asks in its turn."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.finish)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: advance the connections' clock; once a second: cut the slow ones."""
        ModelportProtocol.clock.now = time.monotonic()
        if counter % 10 == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, ModelportProtocol):
                    connection.sweep()
        return await super().on_tick(counter)

    def finish(self) -> None:
        """Not ready from now on; go on accepting for the delay, then finish what is in flight and end."""
        if self.on_drain is not None:
            self.on_drain()
        if self.stop_s < inf:
            reserve_s = min(END_SECONDS, self.stop_s / 5)
            asyncio.get_running_loop().call_later(self.stop_s - reserve_s, self._give_up)
            self.stop_s = inf  # once
        if self.drain_delay_s and not self.should_exit:
            asyncio.get_running_loop().call_later(self.drain_delay_s, self._stop_accepting)
        else:
            self._stop_accepting()

    def _give_up(self) -> None:
        """The time is over: whoever still waits is told so, and hung up on."""
        self._stop_accepting()
        for connection in list(self.server_state.connections):
            if isinstance(connection, ModelportProtocol):
                connection.give_up()
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, ModelportProtocol):
                connection.transport.abort()
        self.force_exit = True

    def leave(self) -> None:
        """Others serve already: accept nothing more, finish what is in flight and end; nobody needs to look elsewhere."""
        for server in getattr(self, "servers", ()):  # at once: Uvicorn would at its next tick
            server.close()
        self._stop_accepting()

    def _stop_accepting(self) -> None:
        """From now on Uvicorn waits for what is in flight, but not for ever: a moment before it hangs up, we say so."""
        if not self.should_exit:
            self.should_exit = True
            seconds = (self.config.timeout_graceful_shutdown or 0) - 2 * LAST_WORDS_SECONDS
            asyncio.get_running_loop().call_later(max(0.0, seconds), self._give_up)


def _websocket_protocol() -> Any:
    """Uvicorn's, over whichever library is installed; None where there is none."""
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    return AutoWebSocketsProtocol


def make_server(
    app: Any,
    routes: Mapping[bytes, PredictRoute],
    max_body: int,
    tls: tuple[Path, Path] | None,
    graceful_s: float,
    heartbeat_s: float = 20.0,
) -> WorkerServer:
    """A server for `app` whose predict routes take the direct path; routes may be added while it runs.

    `graceful_s`: for how long it finishes, in the end, what is in flight. `heartbeat_s`: between pings of WebSockets.
    """
    protocol = type(
        "Protocol",
        (ModelportProtocol,),
        {
            "routes": routes,
            "max_body": max_body,
            "least_digits": min(len(str(max_body)), len(str(LARGE_BODY))),
            "heads": {},
        },
    )
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        ws_max_size=max_body,
        ws_ping_interval=heartbeat_s,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=ceil(graceful_s),
        ssl_certfile=str(tls[0]) if tls else None,
        ssl_keyfile=str(tls[1]) if tls else None,
    )
    return WorkerServer(config)


def adopt_socket(descriptor: int) -> socket.socket:
    """The listening socket that was inherited under this descriptor."""
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener

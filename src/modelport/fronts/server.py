"""One HTTP worker: our protocol on an embedded Uvicorn server, on a socket that somebody else opened."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from modelport.fronts.predict import PredictRoute
from modelport.fronts.protocol import ModelportProtocol
from modelport.runtime.lifecycle import Slot, State


class WorkerServer(uvicorn.Server):
    """Uvicorn's server without its signal habits: SIGTERM drains and exits 0, SIGINT is the supervisor's to handle."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM asks to finish; a terminal's Ctrl-C reaches the supervisor, which asks in its turn."""
        signal.signal(signal.SIGTERM, lambda *_: self.finish())
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
        """Stop accepting, finish what is in flight, end."""
        self.should_exit = True


def make_server(
    app: Any, routes: Mapping[str, PredictRoute], max_body: int, tls: tuple[Path, Path] | None
) -> WorkerServer:
    """A server for `app` whose predict routes take the direct path."""
    protocol = type(
        "Protocol",
        (ModelportProtocol,),
        {"routes": {path.encode(): route for path, route in routes.items()}, "max_body": max_body, "heads": {}},
    )
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=25,
        ssl_certfile=str(tls[0]) if tls else None,
        ssl_keyfile=str(tls[1]) if tls else None,
    )
    return WorkerServer(config)


def adopt_socket(descriptor: int) -> socket.socket:
    """The listening socket that was inherited under this descriptor."""
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener


class Channel:
    """The worker's end of its line to the supervisor: JSON lines up, words down. Its end of file means: parent gone."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Report an event; a supervisor that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(event).encode() + b"\n")

    def listen(self, on_word: Callable[[bytes], None]) -> None:
        """Call back for every word, and with an empty one at the end of file. Runs on the current loop."""

        def read() -> None:
            data = self._socket.recv(4096)
            for word in data.split() or [b""]:
                on_word(word)
            if not data:
                asyncio.get_running_loop().remove_reader(self._socket)

        asyncio.get_running_loop().add_reader(self._socket, read)


class Worker:
    """Serves from one process until the supervisor says stop, or is gone."""

    def __init__(self, server: WorkerServer, channel: Channel, slots: Sequence[Slot]) -> None:
        self.server = server
        self.channel = channel
        self.slots = slots
        self.released = False  # the supervisor has seen every worker ready
        self._may_listen = asyncio.Event()

    def run(
        self, listener: socket.socket, start: Callable[[], None], describe: Callable[[Slot], Any], now: bool
    ) -> None:
        """Block until the end. `now`: listen while still loading, so that probes are answered from the first second."""
        with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
            runner.run(self._run(listener, start, describe, now))

    async def _run(
        self, listener: socket.socket, start: Callable[[], None], describe: Callable[[Slot], Any], now: bool
    ) -> None:
        self.channel.listen(self._on_word)
        for slot in self.slots:
            slot.on_change.append(lambda changed: self._report(changed, describe))
        start()
        if not now:
            await self._may_listen.wait()
        if not self.server.should_exit:
            await self.server.serve(sockets=[listener])

    def _on_word(self, word: bytes) -> None:
        if word == b"serve":
            self.released = True
        else:
            self.server.finish()
        self._may_listen.set()

    def _report(self, slot: Slot, describe: Callable[[Slot], Any]) -> None:
        if slot.state is State.FAILED:
            self.channel.tell({"event": "failed", "error": slot.error})
        elif all(s.state is State.READY for s in self.slots):
            gc.collect()
            gc.freeze()  # what was loaded stays: the collector need not walk it at every full collection
            self.channel.tell({"event": "ready", "models": [describe(s) for s in self.slots]})

"""`python -m modelport.assembly.worker CONFIG PLACE LISTENER BOARD now|ready SLOT CHANNEL`: one HTTP worker."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.assembly.application import Application
from modelport.assembly.models import ServedModels
from modelport.codecs.json import encode
from modelport.config import ServeOptions, from_plain, is_python, saved_alone
from modelport.errors import SetupError
from modelport.fronts.describe import describe_loaded
from modelport.fronts.server import WorkerServer, adopt_socket, make_server
from modelport.mount.lane import WebLane
from modelport.observe.log import configure_logging
from modelport.runtime.channel import Channel, Message
from modelport.runtime.children import end_with_parent
from modelport.runtime.lifecycle import Slot, State
from modelport.runtime.listeners import Meeting
from modelport.runtime.shared import SharedBoard
from modelport.service import Service

if TYPE_CHECKING:
    from modelport.assembly.web import WebApplication

MAX_BATCH_ROWS = 1024
BEAT_SECONDS = 1.0


class Worker:
    """Serves from one process until the supervisor says stop, or is gone."""

    def __init__(self, target: str, options: ServeOptions, place: str, board: SharedBoard, slot: int, channel: Channel):
        self.target = target
        self.options = options
        self.meeting = Meeting(place)
        self.board = board
        self.channel = channel
        self.phase = "loading"  # until the supervisor has seen every worker ready
        self.application = Application(options, board, slot, options.name or _title(target), lambda: self.phase)
        self.models = ServedModels(self.application, self.meeting, channel, self._report)
        self.asgi = self.application.asgi()
        self.asgi.loading = is_python(target)
        self.web: WebApplication | None = None
        self.lane: WebLane | None = None
        self._starting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.server = self._make_server()
        self._may_listen = asyncio.Event()

    def _make_server(self) -> WorkerServer:
        options = self.options
        tls = (options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
        return make_server(
            self.asgi, self.application.direct, options.max_body, tls, options.graceful_s, options.heartbeat
        )

    async def run(self, listener: socket.socket, now: bool) -> None:
        """Until the end. `now`: listen while still loading, so that probes are answered from the first second."""
        self.channel.listen(self._on_message, self._on_orphaned)
        self.server.on_drain, self.server.drain_delay_s = self._on_drain, self.options.drain_delay
        self.server.stop_s = self.options.stop_timeout
        if not is_python(self.target):  # it is known at once, so that whoever asks is told that it is loading
            self.models.add(self.application.title, 0, True, saved_alone(self.target, self.options))
            self.application.open()
        if not now:
            await self._may_listen.wait()
        self._beat()
        if not self.server.should_exit:
            await self.server.serve(sockets=[listener])
        if self.lane is not None:
            await self.lane.stop(self.options.graceful_s)

    # -- orders --------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        order = message.pop("do")
        if order == "serve":
            self.phase = "ready"
            self._may_listen.set()
        elif order == "leave":
            self.server.leave()
            self.channel.tell(event="left")
            self._may_listen.set()
        else:
            self.models.take(message | {"do": order})
            if order == "models" and self.asgi.loading and self._starting is None:
                self._open(message["web"], message["isolated"])

    def _on_orphaned(self) -> None:
        """The supervisor is gone: the port must be free soon, and nobody else clears up."""
        self.meeting.clear()
        os._exit(1)

    def _beat(self) -> None:
        """Tell the supervisor that this loop turns."""
        self.board.beat(self.application.board_slot)
        asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat)

    def _on_drain(self) -> None:
        self.phase = "draining"

    def _open(self, web: bool, isolated: dict[str, int]) -> None:
        """Which models there are is known: answer them, once the user's routes are there, too."""
        if web:
            self._starting = asyncio.get_running_loop().create_task(self._start_web(isolated))
        else:
            self.asgi.loading = False
            self.application.open()

    async def _start_web(self, isolated: dict[str, int]) -> None:
        """Import the user's code in the lane's thread, run its lifespan there; then its paths, and the models', are served."""
        from modelport.assembly.hosting import start_web
        from modelport.assembly.web import build_web

        self.lane = WebLane(_new_loop)
        ours = self.application.beside_routes(self.lane)
        names = [slot.name for slot in self.application.slots]
        places = {name: self.meeting.address(index) for name, index in isolated.items()}
        build = partial(build_web, options=self.options, ours=ours, models=names, places=places)
        try:
            self.web = await start_web(self.lane, self.target, self._bind, build)
        except SetupError as error:
            return self.channel.tell(event="failed", error=str(error))
        return self._serve_web(self.lane, self.web)

    def _bind(self, service: Service) -> None:
        """Have its routes call models through this process, whichever thread they run in."""
        from modelport.assembly.calls import (  # and Pydantic: a worker without routes does without
            ServiceCaller,
            reach_routes,
        )

        reach = reach_routes(self.application.endpoints)
        service.caller = ServiceCaller(service, self._loop, reach, self.options.default_deadline)

    def _serve_web(self, lane: WebLane, web: WebApplication) -> None:
        self.application.make_room(web)
        self.asgi.bridge = lane.bridge
        self.server.hand_to(lane, self.asgi.owns, self.options.max_body)
        self.asgi.loading = False
        self._report_ready()

    def _report(self, slot: Slot) -> None:
        if slot.loaded is not None and slot.loaded.streams:
            self.server.accept_sockets()
        if slot.state is State.FAILED:
            self.channel.tell(event="failed", error=slot.error)
        else:
            self._report_ready()

    def _report_ready(self) -> None:
        """Once every model is ready, and so are the routes beside them."""
        if not self.asgi.loading and self.models.all_ready:
            gc.collect()
            gc.freeze()  # what was loaded stays: the collector need not walk it at every full collection
            web = None if self.web is None else self.web.describe()
            self.channel.tell(event="ready", models=[self._describe(s) for s in self.application.slots], web=web)

    def _describe(self, slot: Slot) -> dict[str, Any]:
        """What the banner needs of a loaded model."""
        assert slot.loaded is not None
        described: dict[str, Any] = json.loads(encode(describe_loaded(slot.loaded)))
        source = self.models.sources.get(slot.name, {"target": self.target})
        return {
            "name": slot.name,
            "from": Path(source["target"]).name,
            "seconds": slot.seconds,
            "version": slot.loaded.version,
            "placement": slot.loaded.executor,
            "reason": slot.loaded.reason,
            "notes": list(slot.loaded.notes),
            "threads": slot.loaded.threads,
            "form": dict(slot.loaded.form),
            **described,
        }


def main(arguments: list[str]) -> int:
    """Run one worker."""
    config, place, listener, board_fd, listen, slot, channel_fd = arguments
    end_with_parent(int(channel_fd))
    parsed = json.loads(config)
    options = from_plain(parsed["options"])
    if options.allow_pickle or is_python(parsed["target"]):  # a pickle may need the user's own modules, and routes do
        sys.path.append(os.getcwd())
    configure_logging(options.log_format)
    board = SharedBoard.open(int(board_fd))
    board.claim(int(slot), "worker")

    async def serve() -> None:
        worker = Worker(parsed["target"], options, place, board, int(slot), Channel(int(channel_fd)))
        await worker.run(adopt_socket(int(listener)), now=listen == "now")

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(serve())
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _title(target: str) -> str:
    """What a service is called where it does not say: its file, or its module."""
    where = target.partition(":")[0] if is_python(target) else target
    return Path(where).stem if where.endswith(".py") or not is_python(target) else where


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

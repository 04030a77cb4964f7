"""`python -m modelport.assembly.worker CONFIG PLACE LISTENER BOARD now|ready SLOT CHANNEL`: one HTTP worker."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
import threading
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.assembly.application import Application, load_locally
from modelport.assembly.forms import look_up
from modelport.assembly.packing import unpack_signature
from modelport.codecs.json import encode
from modelport.config import ServeOptions, from_plain, is_python
from modelport.errors import SetupError
from modelport.fronts.describe import describe_loaded
from modelport.fronts.server import WorkerServer, adopt_socket, make_server
from modelport.kernel.admission import Admission
from modelport.kernel.cost import CostModel
from modelport.mount.lane import WebLane
from modelport.observe.log import configure_logging
from modelport.runtime.channel import Channel, Message
from modelport.runtime.children import end_with_parent
from modelport.runtime.forms import Form
from modelport.runtime.lane import HolderLane, Waiting
from modelport.runtime.lifecycle import Loaded, Slot, State
from modelport.runtime.listeners import Meeting
from modelport.runtime.shared import SharedBoard

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
        self.reason = "written in Python: whatever its code does, probes and other models answer"
        self.form: Form | None = None
        self.phase = "loading"  # until the supervisor has seen every worker ready
        self.application = Application(options, board, slot, options.name or _title(target), lambda: self.phase)
        self.asgi = self.application.asgi()
        self.asgi.loading = is_python(target)
        self.web: WebApplication | None = None
        self.lane: WebLane | None = None
        self.server = self._make_server()
        self._may_listen = asyncio.Event()

    def _make_server(self) -> WorkerServer:
        options = self.options
        tls = (options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
        return make_server(self.asgi, self.application.direct, options.max_body, tls, options.graceful_s)

    async def run(self, listener: socket.socket, now: bool) -> None:
        """Until the end. `now`: listen while still loading, so that probes are answered from the first second."""
        self.channel.listen(self._on_message, self._on_orphaned)
        self.server.on_drain, self.server.drain_delay_s = self._on_drain, self.options.drain_delay
        if not is_python(self.target):
            self._add(self.application.title, 0, only=True)
            self.application.open()
        if not now:
            await self._may_listen.wait()
        self._beat()
        if not self.server.should_exit:
            await self.server.serve(sockets=[listener])
        if self.lane is not None:
            await self.lane.stop(self.options.graceful_s)

    def _look(self) -> None:
        """Tell the supervisor what is known of the artifact; digests take their time, so in a thread."""
        try:
            look = look_up(Path(self.target), self.options)
        except SetupError as error:
            self.channel.tell(event="failed", error=str(error))
        else:
            self.channel.tell(event="form", model=self.application.slots[0].name, **look.plain())

    def _form_decided(self, form: Form) -> None:
        """The supervisor has decided, for all of us and once."""
        if self.form is not None:
            return
        slot = self.application.slots[0]
        self.form, self.reason, slot.activity = form, form["reason"], "loading"
        if form["executor"] != "process":
            load_locally(self.application, slot, Path(self.target), form)

    def _add(self, name: str, index: int, only: bool) -> Slot:
        slot = self.application.add(name, index, only)
        slot.on_change.append(self._report)
        return slot

    # -- orders --------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        order = message.pop("do")
        if order == "serve":
            self.phase = "ready"
            self._may_listen.set()
        elif order == "leave":
            self.server.leave()
            self._may_listen.set()
        elif order == "look":
            threading.Thread(target=self._look, name="modelport-look", daemon=True).start()
        elif order == "compiling":
            self.application.slots[0].activity = "compiling"
        elif order == "form":
            self._form_decided(message)
        elif order == "models":
            for name, index in message["models"].items():
                self._add(name, index, only=len(message["models"]) == 1)
            if message["web"]:
                self._starting = asyncio.get_running_loop().create_task(self._start_web())
            else:
                self.asgi.loading = False
                self.application.open()
        elif order == "model":
            self._model_ready(message)
        elif order == "died":
            self._holder_died(message)

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

    def _model_ready(self, message: Message) -> None:
        slot = next((s for s in self.application.slots if s.name == message["name"]), None)
        if slot is None:  # of a set that came with a reload, or left with it: not ours
            return
        loaded = _loaded(message, self.reason)
        self._refuse(slot, message["refused"])
        if slot.state is State.READY:
            slot.become_ready(loaded, slot.lane)
            return
        lane = slot.lane or self._lane(slot, message.get("parallel", 1), message.get("max_rows", MAX_BATCH_ROWS))
        lane.connect()
        asyncio.get_running_loop().create_task(_ready_when_connected(slot, loaded, lane))

    def _refuse(self, slot: Slot, digests: list[str]) -> None:
        for route in self.application.endpoints.values():
            if route.slot is slot:
                route.refused |= {bytes.fromhex(text) for text in digests}

    def _holder_died(self, message: Message) -> None:
        slot = next((s for s in self.application.slots if s.name == message["model"]), None)
        if slot is None or slot.lane is None:
            return
        self._refuse(slot, message["refused"])
        if not message["successor"] and slot.state is State.READY:
            slot.become_loading()
        running = message["running"]
        slot.lane.died(None if running is None else frozenset(map(bytes.fromhex, running)))

    def _lane(self, slot: Slot, parallel: int, max_rows: int) -> HolderLane:
        options = self.options
        recorder = self.board.recorder(self.application.board_slot, slot.index)
        target_s = options.latency_target or inf
        admission = Admission(options.queue_rows, max_rows, CostModel(), target_s, parallel, options.queue_bytes)
        waiting = Waiting(partial(self.board.waiting_rows, slot.index), partial(self.board.waiting_bytes, slot.index))
        path = self.meeting.address(slot.index)
        return HolderLane(path, admission, waiting, recorder.waiting, retry_lost=not is_python(self.target))

    async def _start_web(self) -> None:
        """Import the user's code in the lane's thread, run its lifespan there; then its paths, and the models', are served."""
        from modelport.assembly.hosting import start_web

        self.lane = WebLane(_new_loop)
        ours = self.application.beside_routes(self.lane)
        try:
            self.web = await start_web(self.lane, self.target, self.options, ours, self.application.slots)
        except SetupError as error:
            return self.channel.tell(event="failed", error=str(error))
        return self._serve_web(self.lane, self.web)

    def _serve_web(self, lane: WebLane, web: WebApplication) -> None:
        self.application.make_room(web)
        self.asgi.bridge = lane.bridge
        self.server.hand_to(lane, self.asgi.owns, self.options.max_body)
        self.asgi.loading = False
        self._report_ready()

    def _report(self, slot: Slot) -> None:
        if slot.state is State.FAILED:
            self.channel.tell(event="failed", error=slot.error)
        else:
            self._report_ready()

    def _report_ready(self) -> None:
        """Once every model is ready, and so are the routes beside them."""
        if not self.asgi.loading and all(s.state is State.READY for s in self.application.slots):
            gc.collect()
            gc.freeze()  # what was loaded stays: the collector need not walk it at every full collection
            web = None if self.web is None else self.web.describe()
            self.channel.tell(event="ready", models=[_describe(s) for s in self.application.slots], web=web)


async def _ready_when_connected(slot: Slot, loaded: Loaded, lane: HolderLane) -> None:
    await lane.connected.wait()
    slot.become_ready(loaded, lane)


def _loaded(message: Message, reason: str) -> Loaded:
    schemas = message.get("schemas", {})
    signature = message.get("signature")
    return Loaded(
        version=message["version"],
        executor="process",
        reason=reason,
        signature=unpack_signature(signature) if signature else None,
        body_schema=schemas.get("body"),
        answer_schema=schemas.get("answer"),
        example=message.get("example"),
        notes=tuple(message.get("notes", ())),
        threads=message["threads"],
        form=message.get("form", {}),
        list_body=message.get("list_body", False),
    )


def _describe(slot: Slot) -> dict[str, Any]:
    """What the banner needs of a loaded model."""
    assert slot.loaded is not None
    described: dict[str, Any] = json.loads(encode(describe_loaded(slot.loaded)))
    return {
        "name": slot.name,
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

"""`python -m modelport.assembly.holder CONFIG MODEL PLACE BOARD INDEX SLOT CHANNEL`: the process that holds one model."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.assembly.application import Application
from modelport.assembly.calls import ServiceCaller
from modelport.assembly.failures import cause_in_code
from modelport.assembly.handlers import check_service, import_service, load_declared, load_saved
from modelport.assembly.models import ServedModels
from modelport.assembly.readings import Readings
from modelport.assembly.replies import assemble_reply
from modelport.config import ServeOptions, from_plain, is_python
from modelport.errors import CallError, ModelportError
from modelport.executors.coroutine import CoroutineExecutor
from modelport.executors.thread import ThreadExecutor
from modelport.fronts.status import error_body, status_of
from modelport.kernel.batcher import Batch, Batcher
from modelport.kernel.context import context_of_batch
from modelport.kernel.names import is_mounted
from modelport.kernel.ports import Executor
from modelport.kernel.reply import Reply
from modelport.kernel.sizing import BatchSizer
from modelport.observe.log import configure_logging
from modelport.runtime.channel import Channel, Message
from modelport.runtime.children import end_with_parent, threads_given
from modelport.runtime.forms import Form
from modelport.runtime.generators import stream_executor
from modelport.runtime.handler import Handler
from modelport.runtime.holder import Holder, calls_of, mark_started
from modelport.runtime.listeners import Meeting
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.shared import SharedBoard
from modelport.runtime.stream_holder import StreamHolder, StreamWatch
from modelport.runtime.watch import BatchWatch, Cancels, HardLimits
from modelport.service import Service

if TYPE_CHECKING:
    from modelport.assembly.mounted import MountedProcess

BEAT_SECONDS = 1.0
MAX_BODIES = 16
"""Read at a stretch, where they are not read on the loop."""
FOR_MANY_IN_FLIGHT = (5_000, 50, 10)
"""The collector's thresholds beside coroutines: a thousand calls that wait are no garbage, and to look at them over and over took
a fifth of the process."""
UNBOUNDED = 2**60  # the workers bound the queue, where a model cannot stall the refusal
Config = tuple[str, ServeOptions, Form | None]
"""What to load, with which options, and in which form."""

log = logging.getLogger("modelport.holder")


class HolderMain:
    """Loads in a thread, serves on the main thread's loop."""

    def __init__(self, config: Config, board: SharedBoard, slot: int, channel: Channel, place: str = "") -> None:
        self.target, options, self.form = config
        self.options = options
        self.readings = Readings(self.target, options)
        self.board = board
        self.slot = slot
        self.channel = channel
        self.service: Service | None = None
        self.holder: Holder | None = None
        self.mounted: MountedProcess | None = None
        self.index = 0
        self.model = ""
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.AbstractServer | None = None
        self.others = self._others(options, place)

    async def run(self, model: str | None, index: int) -> None:
        """Until the supervisor says so, or is gone."""
        self.channel.listen(self._on_message, lambda: os._exit(0))
        self._loop.add_signal_handler(signal.SIGTERM, self._drain)
        self.index = index
        self._in_thread(self._load, model)
        await self._end.wait()

    def _others(self, options: ServeOptions, place: str) -> ServedModels:
        """The models that this one may call."""
        application = Application(options, self.board, self.slot, "")
        return ServedModels(application, Meeting(place), self.channel, lambda _: None, late=True)

    def _import(self) -> Service:
        """The user's file, bound to what carries its calls."""
        service = import_service(self.target)
        service.caller = ServiceCaller(service, self._loop, self.others.reach, self.options.default_deadline)
        return service

    # -- loading -------------------------------------------------------------------------------------------------

    def _in_thread(self, work: Any, *args: Any) -> None:
        threading.Thread(target=self._guarded, args=(work, *args), name="modelport-load", daemon=True).start()

    def _guarded(self, work: Any, *args: Any) -> None:
        try:
            work(*args)
        except ModelportError as known:
            self.channel.tell(event="failed", error=str(known), **self.readings.of_failure())
        except BaseException as unknown:  # whatever a model's code raises must be told, not end in a dead thread
            log.error("loading failed", exc_info=unknown)
            error = f"loading failed: {cause_in_code(unknown)}"
            self.channel.tell(event="failed", error=error, **self.readings.of_failure())

    def _load(self, model: str | None) -> None:
        self.model = model or self.model
        if not is_python(self.target):
            return self._publish(load_saved(Path(self.target), self.options, self.form))
        self.service = self.service or self._import()
        if model is None:
            return self.channel.tell(event="catalog", **self._catalog(self.service))
        if is_mounted(model):
            from modelport.assembly.mounted import MountedProcess

            mounted = MountedProcess(self.service, model, self.options)
            return asyncio.run_coroutine_threadsafe(self._start_mounted(mounted), self._loop).result()
        return self._publish(load_declared(self.service.models[model], self._loop))

    def _catalog(self, service: Service) -> dict[str, Any]:
        """What there is to serve. Raises SetupError, with file and line, where something cannot be."""
        isolated = [mount.name for mount in service.mounts if mount.isolate]
        saved, web = check_service(service, self.options), service.serves_web
        declared = {"models": service.names, "saved": saved, "web": web, "isolated": isolated}
        return {**declared, **self.readings.of_service(service)}

    async def _start_mounted(self, mounted: MountedProcess) -> None:
        """This process is that of a mounted application."""
        await mounted.start()
        self.mounted = mounted
        self.board.claim(self.slot, "holder", self.index)
        self._settle({"version": ""})

    def _settle(self, description: dict[str, Any]) -> None:
        """It has loaded: tell so, and give a sign of life from now on."""
        gc.collect()
        gc.freeze()
        self._beat()
        self.channel.tell(event="ready", threads=threads_given(), **description, **self.readings.of_model())

    def _publish(self, handler: Handler) -> None:
        self._loop.call_soon_threadsafe(self._make_holder, handler)

    def _make_holder(self, handler: Handler) -> None:
        kind = Holder if handler.streaming is None else StreamHolder
        self.holder = kind(handler, partial(assemble_reply, self.model), refuse_reply, self._log)
        limits = HardLimits(self.options.default_deadline, self.options.kill_grace)
        executor, cancels = self._executor(handler)
        self._watch = BatchWatch(self.board, self.slot, limits, cancels)
        if isinstance(self.holder, StreamHolder):
            streams: Any = executor
            self._watch = self.holder.watch = StreamWatch(self.board, self.slot, limits, streams)
            self.holder.streams = streams
        self._contexts = handler.contexts
        self.holder.on_leave = self._watch.left
        sizer = BatchSizer(handler.max_rows, self.options.latency_target)
        batcher: Batcher[Any] = Batcher(handler.max_rows, UNBOUNDED, UNBOUNDED)
        self.holder.scheduler = Scheduler(executor, batcher, self._loop, self._begin, self._finish, sizer)
        read = ThreadExecutor(self.holder.read_all, self._loop, "read")
        bodies: Batcher[Any] = Batcher(MAX_BODIES, UNBOUNDED, UNBOUNDED)
        self.holder.reading = Scheduler(read, bodies, self._loop, self._begin_reading, self._finish_reading)
        self.holder.scheduler.gate = self.holder.reading.gate
        self._recorder = self.board.recorder(self.slot, self.index)
        self.board.claim(self.slot, "holder", self.index)
        self._settle(handler.description)

    def _executor(self, handler: Handler) -> tuple[Executor, Cancels | None]:
        """Threads for a function, the loop itself for a coroutine: if that blocks, only calls of its own model wait."""
        if handler.streaming is not None and handler.contexts is not None:
            warn = partial(self._log, request_id="")
            streams = stream_executor(handler.streaming, handler.contexts, self._loop, "model", handler.slots, warn)
            return streams, streams
        if handler.run_async is None:
            return ThreadExecutor(handler.run, self._loop, "model", handler.slots), None
        gc.set_threshold(*FOR_MANY_IN_FLIGHT)
        coroutines = CoroutineExecutor(handler.run_async, self._loop, handler.slots)
        return coroutines, coroutines

    def _beat(self) -> None:
        """Tell the supervisor that this loop turns."""
        self.board.beat(self.slot)
        if self.holder is not None:
            self.holder.sweep(self._loop.time())
        self._loop.call_later(BEAT_SECONDS, self._beat)

    def _log(self, message: str, request_id: str) -> None:
        log.error("model %s: %s", self.model, message, extra={"request_id": request_id})

    # -- batches -------------------------------------------------------------------------------------------------

    def _begin_reading(self, batch: Batch) -> None:
        """Reading may run the user's code: it is watched as a run of the model is."""
        self._watch.begin(batch)

    def _finish_reading(self, batch: Batch, started: float, seconds: float) -> None:
        self._watch.end(batch)

    def _begin(self, batch: Batch) -> None:
        mark_started(batch)
        self._begin_reading(batch)
        if self._contexts is not None:
            self._contexts.begin(batch.records, context_of_batch(self.model, calls_of(batch)))
        self._recorder.running(1)

    def _finish(self, batch: Batch, started: float, seconds: float) -> None:
        self._watch.end(batch)
        if self._contexts is not None:
            self._contexts.end(batch.records)
        self._recorder.running(-1)
        queued = [started - ticket.offered_at for ticket, rows in batch.slices if rows.start == 0]
        self._recorder.batch(len(batch.records), queued, seconds)

    # -- orders --------------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        if message["do"] == "hold":
            self.index = message["index"]
            self._in_thread(self._load, message["model"])
        elif message["do"] == "serve":
            listener = socket.socket(fileno=self.channel.descriptors.pop())
            self._loop.create_task(self._listen(listener))
        elif message["do"] == "drain":
            self._drain()
        else:
            self.others.take(message)

    async def _listen(self, listener: socket.socket) -> None:
        if self.mounted is not None:
            await self.mounted.listen(listener)
            return
        assert self.holder is not None
        self._server = await self._loop.create_unix_server(self.holder.connection, sock=listener)

    def _drain(self) -> None:
        """Take nothing new, answer what is here, end."""
        if self._server is not None:
            self._server.close()
        if self.mounted is not None:
            self._loop.create_task(self._end_mounted(self.mounted))
            return
        if self.holder is None:
            self._end.set()
            return
        self.holder.drain()
        self._loop.create_task(self._end_when_idle())

    async def _end_mounted(self, mounted: MountedProcess) -> None:
        await mounted.drain()
        self._end.set()

    async def _end_when_idle(self) -> None:
        assert self.holder is not None
        while not self.holder.idle:  # noqa: ASYNC110  connections come and go; there is no one event to wait for
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the last answers are on their way
        self._end.set()


def refuse_reply(error: CallError) -> Reply:
    """The answer to a body that does not fit."""
    return Reply(status_of(error), error_body(error))


def main(arguments: list[str]) -> int:
    """Run one holder."""
    config, model, place, board_fd, index, slot, channel_fd = arguments
    end_with_parent(int(channel_fd))
    parsed = json.loads(config)
    options = from_plain(parsed["options"])
    if options.allow_pickle or is_python(parsed["target"]):  # nothing else is imported unless its user says so
        sys.path.append(parsed.get("folder") or os.getcwd())
    configure_logging(options.log_format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def serve() -> None:
        board = SharedBoard.open(int(board_fd))
        board.claim(int(slot), "holder")
        what = (parsed["target"], options, parsed["form"])
        holder = HolderMain(what, board, int(slot), Channel(int(channel_fd)), place)
        await holder.run(model or None, int(index))

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve())
    os._exit(0)  # daemon threads of a model may be anywhere; nothing is left to finish


def _loop_factory() -> Any:
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

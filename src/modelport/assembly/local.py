"""A service in one process alone, under a foreign server: its models run in threads beside that server's loop, or on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from modelport.assembly.application import Application, load_locally
from modelport.assembly.calls import ServiceCaller, reach_routes
from modelport.assembly.handlers import check_service, import_service, load_declared
from modelport.assembly.replies import assemble_reply
from modelport.assembly.web import build_web
from modelport.codecs.json import Decoded
from modelport.config import ServeOptions, from_plain, refuse_for_service
from modelport.executors.coroutine import CoroutineExecutor
from modelport.executors.thread import ThreadExecutor
from modelport.fronts.predict import LocalLane
from modelport.kernel.batcher import Batch, Batcher, Ticket
from modelport.kernel.context import context_of_batch
from modelport.kernel.ports import Executor
from modelport.kernel.sizing import BatchSizer
from modelport.runtime.forms import Source
from modelport.runtime.generators import StreamExecutor, stream_executor
from modelport.runtime.handler import Handler
from modelport.runtime.lifecycle import Loaded, Slot, State, start_loading
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.shared import SharedBoard
from modelport.runtime.watch import Cancels
from modelport.service import ModelSpec, Service

log = logging.getLogger("modelport.model")
LOOK_SECONDS = 1.0


def build_service_application(target: str | Service, options: ServeOptions) -> tuple[Application, Callable[[], None]]:
    """The models of a service, or of the Python file that declares it, and what starts their loading.

    Raises SetupError, with file and line, for what can be told without loading them.
    """
    if isinstance(target, str):
        refuse_for_service(target, options)
    service = import_service(target) if isinstance(target, str) else target
    sources = check_service(service, options, alone=True)
    board = SharedBoard.create(1, len(service.names), private=True)
    board.claim(0, "worker")
    application = Application(options, board, 0, service.name)
    for index, name in enumerate(service.names):
        own = from_plain(sources[name]["options"]) if name in sources else None
        application.add(name, index, only=len(service.names) == 1, options=own)
    if service.serves_web:
        web = build_web(service, options, application.beside_routes(), service.names)
        application.make_room(web)
        application.beside = web
    else:
        application.open()
    return application, partial(_start, application, service, sources)


def _start(application: Application, service: Service, sources: dict[str, Source]) -> None:
    """On the server's loop."""
    loop = asyncio.get_running_loop()
    reach = _reach_when_there(application)
    service.caller = ServiceCaller(service, loop, reach, application.options.default_deadline, binary=False)
    for slot in application.slots:
        source = sources.get(slot.name)
        if source is not None:
            load_locally(application, slot, Path(source["target"]))
        else:
            _load_declared(application, slot, service.models[slot.name], loop)


def _reach_when_there(application: Application) -> Any:
    """A model that calls another one while it loads waits until that has loaded."""
    from modelport.assembly.models import when_there

    straight = reach_routes(application.endpoints)
    slots = {slot.name: slot for slot in application.slots}

    def reach(model: str, deadline: float, then: Callable[[Any], None]) -> None:
        if slots[model].state is State.LOADING:
            when_there(slots[model], deadline, partial(straight, model, deadline, then))
        else:
            straight(model, deadline, then)

    return reach


def _load_declared(application: Application, slot: Slot, spec: ModelSpec, loop: asyncio.AbstractEventLoop) -> None:
    def publish(handler: Handler) -> None:
        described = handler.description
        is_async = handler.run_async is not None or (handler.streaming is not None and handler.streaming.is_async)
        reason = "async: on the event loop of the server" if is_async else "written in Python: beside the server's loop"
        about = Loaded(
            version="",
            executor="inline" if is_async else "thread",
            reason=reason,
            body_schema=described["schemas"]["body"],
            answer_schema=described["schemas"]["answer"],
            example=described["example"],
            form_schema=described["schemas"].get("form"),
            list_depth=described["list_depth"],
            reads=tuple(described.get("reads", ())),
            writes=tuple(described.get("writes", ())),
            streams=handler.streaming is not None,
        )
        slot.become_ready(about, LocalModel(application, slot, handler, loop).lane())

    start_loading(slot, partial(load_declared, spec, loop), publish, loop)


class LocalModel:
    """One model in Python in this process: its queue, its executor, and the batches that are running."""

    def __init__(self, application: Application, slot: Slot, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._name = slot.name
        self._handler = handler
        self._loop = loop
        self._options = application.options_of[slot.name]
        self._recorder = application.board.recorder(0, slot.index)
        self._running: dict[int, Batch] = {}
        self._cancels: Cancels | None = None
        self._streams: StreamExecutor | None = None
        self._scheduler: Scheduler | None = None
        self._looks = False

    def lane(self) -> LocalLane:
        """How its route reaches it."""
        handler, options = self._handler, self._options
        executor = self._executor()
        batcher: Batcher[Any] = Batcher(handler.max_rows, options.queue_rows, options.queue_bytes)
        sizer = BatchSizer(handler.max_rows, options.latency_target)
        scheduler = self._scheduler = Scheduler(executor, batcher, self._loop, self._begin, self._finish, sizer)
        reply = partial(assemble_reply, self._name)
        make = None if self._streams is None else self._streams.open
        beside = handler.decodes_with_code
        return LocalLane(scheduler, self._decode, beside, reply, self._left, make, self._decode_media)

    def _executor(self) -> Executor:
        handler = self._handler
        if handler.streaming is not None and handler.contexts is not None:
            slots, warn = handler.slots, partial(log.warning, "model %s: %s", self._name)
            streams = stream_executor(handler.streaming, handler.contexts, self._loop, self._name, slots, warn)
            self._streams = self._cancels = streams
            return streams
        if handler.run_async is None:
            return ThreadExecutor(handler.run, self._loop, self._name, handler.slots)
        coroutines = self._cancels = CoroutineExecutor(handler.run_async, self._loop, handler.slots)
        return coroutines

    def _look(self) -> None:
        """Once a second while streams run: those that stand still in turns that others wait for are ended."""
        assert self._streams is not None
        assert self._scheduler is not None
        self._looks = bool(self._running)
        if self._looks:
            self._streams.look(monotonic(), wanted=bool(len(self._scheduler.batcher)))
            self._loop.call_later(LOOK_SECONDS, self._look)

    def _decode(self, body: bytes) -> Decoded:
        records, listed = self._handler.decode(body)
        return Decoded(records, listed, [])

    def _decode_media(self, body: bytes, media: bytes) -> Decoded:
        assert self._handler.decode_media is not None
        records, listed = self._handler.decode_media(body, media)
        return Decoded(records, listed, [])

    def _begin(self, batch: Batch) -> None:
        self._running[id(batch)] = batch
        self._recorder.running(1)
        if self._streams is not None and not self._looks:
            self._looks = True
            self._loop.call_soon(self._look)
        if self._handler.contexts is not None:
            self._handler.contexts.begin(batch.records, context_of_batch(self._name, _calls_of(batch)))

    def _finish(self, batch: Batch, started: float, seconds: float) -> None:
        del self._running[id(batch)]
        self._recorder.running(-1)
        if self._handler.contexts is not None:
            self._handler.contexts.end(batch.records)
        queued = [started - ticket.offered_at for ticket, rows in batch.slices if rows.start == 0]
        self._recorder.batch(len(batch.records), queued, seconds)

    def _left(self, ticket: Ticket[Any]) -> None:
        """A coroutine that nobody waits for any more is cancelled."""
        if self._streams is not None:
            self._streams.cancel(ticket.records)
            return
        for batch in list(self._running.values()) if self._cancels is not None else ():
            if batch.abandoned and any(each is ticket for each, _ in batch.slices):
                assert self._cancels is not None
                self._cancels.cancel(batch.records)


def _calls_of(batch: Batch) -> list[tuple[float, bytes, bytes]]:
    return [(ticket.deadline, ticket.tag.chain, ticket.tag.request_id) for ticket, _ in batch.slices]

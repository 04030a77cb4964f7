"""The application of one process: slots, predict routes, pages, and the lanes behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import modelport
from modelport.artifacts.bundle import is_bundle
from modelport.assembly.artifacts import find_loader
from modelport.assembly.crossing import CrossingRoute
from modelport.assembly.forms import Opened, compile_beside, open_form, refuse_original
from modelport.codecs.json import encode
from modelport.config import ServeOptions, model_name
from modelport.executors.inline import InlineExecutor
from modelport.executors.thread import ThreadExecutor
from modelport.fronts.asgi import Get, ModelportApp
from modelport.fronts.predict import LocalLane, PredictRoute
from modelport.fronts.reception import Reception
from modelport.fronts.service_pages import PREFIX, PROBES, THREADED, model_page, service_pages
from modelport.kernel.batcher import Batcher
from modelport.kernel.placement import place
from modelport.kernel.ports import Executor, Model
from modelport.kernel.sizing import BatchSizer
from modelport.mount.lane import WebLane
from modelport.observe.metrics import metrics_text, status_document
from modelport.runtime.forms import COMPILE_SECONDS, Form
from modelport.runtime.lifecycle import Loaded, Slot, State, start_loading
from modelport.runtime.scheduler import Scheduler
from modelport.runtime.shared import SharedBoard
from modelport.service import Service

PATH_SAFE = "/!$&'()*+,;=:@"
"""What some clients leave as it is in a path and others percent-encode."""


if TYPE_CHECKING:
    from modelport.assembly.web import WebApplication


@dataclass(slots=True)
class Application:
    """Everything of one process. Models may be added while it runs: a Python service tells its models late."""

    options: ServeOptions
    board: SharedBoard
    board_slot: int
    title: str
    phase: Callable[[], str] = lambda: "ready"
    slots: list[Slot] = field(default_factory=list)
    endpoints: dict[str, PredictRoute] = field(default_factory=dict)
    """By path, whether they are answered directly (`routes`) or behind what guards them."""
    routes: dict[str, PredictRoute] = field(default_factory=dict)
    gets: dict[str, Get] = field(default_factory=dict)
    direct: dict[bytes, PredictRoute] = field(default_factory=dict)
    options_of: dict[str, ServeOptions] = field(default_factory=dict)
    document: Callable[[], dict[str, Any]] | None = None
    beside: WebApplication | None = None
    """Routes and mounted applications that run on this very loop."""
    taken: frozenset[str] = frozenset()
    closed: set[str] = field(default_factory=set)
    """Of the models' paths, those that a route has instead."""
    stand_ins: dict[str, Callable[[Path, ServeOptions], Opened]] = field(default_factory=dict)
    """What is loaded in place of saved models: in tests."""

    def __post_init__(self) -> None:
        self.gets.update(self._pages())

    def _pages(self, prefix: str = "") -> dict[str, Get]:
        return service_pages(self.title, modelport.__version__, self.slots, self.phase, self, prefix)

    def asgi(self) -> ModelportApp:
        """The ASGI application over these routes."""
        app = ModelportApp(self.routes, self.gets, self.options.max_body, THREADED)
        app.beside = self.beside
        app.sockets = True
        return app

    def add(self, name: str, index: int, only: bool, options: ServeOptions | None = None) -> Slot:
        """A place for a model, with its paths. `only`: it also answers at /predict. `options`: of a saved model, its own."""
        slot = Slot(name, index)
        self.options_of[name] = options or self.options
        recorder = self.board.recorder(self.board_slot, index)
        reception = Reception(recorder.receiving, partial(self.board.held_bytes, index), self.options.queue_bytes)
        route = PredictRoute(slot, self.options.default_deadline, recorder, self.options.max_body, reception)
        route.heartbeat_s = self.options.heartbeat
        paths = [f"/models/{name}/predict", *(["/predict"] if only else [])]
        self.slots.append(slot)
        self.endpoints.update(dict.fromkeys(paths, route))
        self.gets[f"/models/{name}"] = partial(model_page, slot)
        return slot

    def open(self) -> None:
        """Answer the models' paths directly."""
        self.routes.update(self.endpoints)
        for path, route in self.endpoints.items():
            self.direct.update({quote(path, safe=safe).encode(): route for safe in ("/", PATH_SAFE)})

    def beside_routes(self, lane: WebLane | None = None) -> ModelportApp:
        """Our pages and models as the web lane's own code asks for them; the pages are at two places from now on.

        Without a lane routes run on this very loop.
        """
        self.gets.update(self._pages(PREFIX))
        predict: dict[str, Any] = dict(self.endpoints)
        if lane is not None:
            predict = {path: CrossingRoute(route, lane) for path, route in self.endpoints.items()}
        return ModelportApp(predict, dict(self.gets), self.options.max_body, THREADED)

    def make_room(self, web: WebApplication) -> None:
        """For the paths that routes and mounted applications take. What guards them guards all of ours but the probes."""
        self.document, self.taken = web.document, web.taken
        for path in web.taken:
            self.gets.pop(path, None)
            if self.endpoints.pop(path, None) is not None:
                self.closed.add(path)
        if web.guards:
            for path in [path for path in self.gets if path.removeprefix(PREFIX) not in PROBES]:
                del self.gets[path]
        else:
            self.open()

    def place_of(self, path: str) -> str | None:
        """Where a path of ours is now, if routes or mounted applications have taken it; None where it is nowhere."""
        if path not in self.taken:
            return path
        return None if path in self.closed else PREFIX + path

    def routes_document(self) -> dict[str, Any] | None:
        """The OpenAPI document of the routes beside the models, where there are any."""
        return None if self.document is None else self.document()

    # -- what the process tells of itself ------------------------------------------------------------------------

    def _models(self) -> list[dict[str, Any]]:
        return [
            {
                "name": slot.name,
                "index": slot.index,
                "state": str(slot.state),
                "ready": slot.state is State.READY,
                "version": slot.loaded.version if slot.loaded else "",
                "executor": slot.loaded.executor if slot.loaded else "",
            }
            for slot in self.slots
        ]

    def metrics(self) -> bytes:
        """Prometheus text over all processes."""
        return metrics_text(self.board, self._models())

    def status(self) -> dict[str, Any]:
        """The same for people."""
        return status_document(self.board, self._models())


def build_application(artifact: Path, options: ServeOptions) -> tuple[Application, Callable[[], None]]:
    """One saved model in this process alone, and what starts its loading: for foreign servers.

    Raises SetupError for what can be told without loading it.
    """
    if not is_bundle(artifact):
        find_loader(artifact)
    name = model_name(artifact, options)
    board = SharedBoard.create(1, 1, private=True)
    board.claim(0, "worker")
    application = Application(options, board, 0, name)
    slot = application.add(name, 0, only=True)
    application.open()
    return application, partial(load_locally, application, slot, artifact)


def build_service(target: str | Service, options: ServeOptions) -> tuple[Application, Callable[[], None]]:
    """The same for the models of a service, or of the Python file that declares it."""
    from modelport.assembly.local import build_service_application  # and Pydantic: workers do without

    return build_service_application(target, options)


def load_locally(application: Application, slot: Slot, artifact: Path, form: Form | None = None) -> None:
    """Load into this process: inline or in a thread. Needs a running loop. Without a `form` it is found out here."""
    loop, options = asyncio.get_running_loop(), application.options_of[slot.name]

    def load() -> tuple[Model, Loaded]:
        stand_in = application.stand_ins.get(slot.name)
        if stand_in is None:
            opened = open_form(form or _find_form(slot, artifact, options), artifact, options)
        else:
            opened = stand_in(artifact, options)
        model = opened.model
        placement = place(model.cost, options.executor)
        executor = "inline" if placement.executor == "inline" else "thread"
        about = Loaded(
            opened.version, executor, placement.reason, model.signature, notes=opened.notes, form=opened.form
        )
        return model, about

    def publish(loaded: tuple[Model, Loaded]) -> None:
        model, about = loaded
        slot.become_ready(about, local_lane(application, slot, model, loop))

    start_loading(slot, load, publish, loop)


def _find_form(slot: Slot, artifact: Path, options: ServeOptions) -> Form:
    """Where no supervisor decides for all processes: look, and compile if need be."""

    def begin() -> None:
        slot.activity = "compiling"

    patient = options.require_compiled or options.must_be_signed
    look = compile_beside(artifact, options, None if patient else COMPILE_SECONDS, begin)
    slot.activity = "loading"
    refuse_original(look, options)
    return look.plain()


def local_lane(application: Application, slot: Slot, model: Model, loop: asyncio.AbstractEventLoop) -> LocalLane:
    """The queue and the executor of a model in this process."""
    options = application.options_of[slot.name]
    placement = place(model.cost, options.executor)
    recorder = application.board.recorder(application.board_slot, slot.index)
    predict = model.predict

    def run(records: Any) -> list[bytes]:
        return [encode(answer) for answer in predict(records)]

    inline = placement.executor == "inline"
    executor: Executor = InlineExecutor(run) if inline else ThreadExecutor(run, loop, slot.name)
    batcher: Batcher[Any] = Batcher(placement.max_rows, options.queue_rows, options.queue_bytes)
    sizer = BatchSizer(placement.max_rows, options.latency_target) if options.latency_target or not inline else None

    def on_batch(batch: Any, started: float, seconds: float) -> None:
        queued = [started - ticket.offered_at for ticket, rows in batch.slices if rows.start == 0]
        recorder.batch(len(batch.records), queued, seconds)

    def on_single(rows: int, seconds: float) -> None:
        recorder.batch(rows, (0.0,), seconds)

    return LocalLane(Scheduler(executor, batcher, loop, None, on_batch, sizer, on_single))

"""The only file that imports concrete doors and wires them: the application, and the main of an HTTP worker."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from modelport.artifacts.digest import VERSION_LENGTH, digest_path
from modelport.artifacts.override import read_override
from modelport.artifacts.sample import read_sample
from modelport.codecs.json import encode
from modelport.config import ServeOptions, from_plain
from modelport.errors import ArtifactError, SetupError, SignatureError
from modelport.executors.inline import InlineExecutor
from modelport.executors.thread import ThreadExecutor
from modelport.fronts.asgi import ModelportApp
from modelport.fronts.describe import describe_signature
from modelport.fronts.predict import PredictRoute
from modelport.fronts.service_pages import service_pages
from modelport.kernel.batcher import Batcher
from modelport.kernel.infer import check_corrections, ignored_columns, missing_columns
from modelport.kernel.placement import place
from modelport.kernel.ports import Executor, Hints, Loader, Model
from modelport.runtime.lifecycle import Loaded, Slot, start_loading
from modelport.runtime.scheduler import Scheduler

LOADERS = {
    "onnx": "modelport.artifacts.loaders.onnx:OnnxLoader",
    "sklearn": "modelport.artifacts.loaders.sklearn:SklearnLoader",
    "xgboost": "modelport.artifacts.loaders.xgboost:XgboostLoader",
    "lightgbm": "modelport.artifacts.loaders.lightgbm:LightgbmLoader",
    "catboost": "modelport.artifacts.loaders.catboost:CatboostLoader",
    "torch": "modelport.artifacts.loaders.torch:TorchLoader",
}
"""Our own loaders; those of other packages are found through the entry point group of the same name."""

ENTRY_POINTS = "modelport.loaders"
HEAD_BYTES = 4096


# -- artifacts -----------------------------------------------------------------------------------------------------


def find_loader(path: Path) -> Loader:
    """The loader that reads this file. Raises ArtifactError where there is none."""
    head = _read_head(path)
    for loader in _loaders():
        if loader.probe(path, head):
            return loader
    raise ArtifactError(
        f"{path} is of no kind that is read here ({', '.join(LOADERS)}): save it in one of their formats"
    )


def _read_head(path: Path) -> bytes:
    try:
        if path.is_dir():
            return b""
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ArtifactError(f"the file {path} does not exist") from None
    except OSError as error:
        raise ArtifactError(f"the file {path} cannot be read: {error.strerror}") from None
    if not head:
        raise ArtifactError(f"the file {path} is empty")
    return head


def _loaders() -> Iterator[Loader]:
    for target in LOADERS.values():
        module, _, name = target.partition(":")
        yield getattr(importlib.import_module(module), name)()
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()()


def load_artifact(path: Path, options: ServeOptions) -> tuple[Model, tuple[str, ...]]:
    """Read a model with everything the user said about it, and what should be told about that."""
    hints = Hints(options.features or (), options.target, read_sample(options.data) if options.data else {})
    hints = read_override(path, hints)
    _check_target(hints)
    model = find_loader(path).load(path, hints)
    check_corrections(model.signature, hints)
    return model, (*model.signature.notes, *_data_notes(model, hints))


def _check_target(hints: Hints) -> None:
    if hints.target is not None and hints.columns and hints.target not in hints.columns:
        raise SignatureError(f"--target {hints.target!r} is no column of the data: {', '.join(hints.columns)}")


def _data_notes(model: Model, hints: Hints) -> Iterator[str]:
    if ignored := ignored_columns(model.signature, hints):
        yield f"columns of the data that the model does not know, ignored: {', '.join(ignored)}"
    if missing := missing_columns(model.signature, hints):
        yield f"inputs of the model that the data has no column for: {', '.join(missing)}"


# -- the application -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Application:
    """Everything of one process: the slots, the predict routes by path, the ASGI app, and what starts the loading."""

    slots: list[Slot]
    routes: dict[str, PredictRoute]
    asgi: ModelportApp
    start: Callable[[], None]


def build_application(
    artifact: Path, options: ServeOptions, released: Callable[[], bool] = lambda: True
) -> Application:
    """Wire one model. Raises SetupError for what can be told without loading it.

    `released` says whether every other worker is ready, too: until then this one does not call itself ready.
    """
    find_loader(artifact)
    slot = Slot(options.name or artifact.stem)
    route = PredictRoute(slot)
    routes = {f"/models/{slot.name}/predict": route, "/predict": route}

    def start() -> None:
        loop = asyncio.get_running_loop()
        publish = partial(_publish, slot.name, loop)
        start_loading(slot, partial(_load, artifact, options), publish, loop)

    asgi = ModelportApp(routes, service_pages(slot.name, [slot], released), options.max_body)
    return Application([slot], routes, asgi, start)


def _load(artifact: Path, options: ServeOptions) -> Loaded:
    model, notes = load_artifact(artifact, options)
    placement = place(model.cost)
    version = digest_path(artifact)[:VERSION_LENGTH]
    return Loaded(model, version, placement.executor, placement.reason, notes)


def _publish(name: str, loop: asyncio.AbstractEventLoop, loaded: Loaded) -> Scheduler:
    placement = place(loaded.model.cost)
    predict = loaded.model.predict

    def run(records: Any) -> list[bytes]:
        return [encode(answer) for answer in predict(records)]

    executor: Executor = InlineExecutor(run) if placement.executor == "inline" else ThreadExecutor(run, loop, name)
    return Scheduler(executor, Batcher(placement.max_rows, placement.queue_rows), loop)


# -- the worker ----------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """`python -m modelport.assembly CONFIG LISTENER CHANNEL now|ready`: one HTTP worker."""
    from modelport.fronts.server import Channel, Worker, adopt_socket, make_server
    from modelport.observe.log import configure_logging

    config = json.loads(arguments[0])
    options = from_plain(config["options"])
    sys.path.append(os.getcwd())  # a pickle may need the user's own modules
    configure_logging(options.log_format)
    channel = Channel(int(arguments[2]))
    try:
        application = build_application(Path(config["artifact"]), options, lambda: worker.released)
    except SetupError as error:
        channel.tell({"event": "failed", "error": str(error)})
        return 2
    tls = (options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
    server = make_server(application.asgi, application.routes, options.max_body, tls)
    worker = Worker(server, channel, application.slots)
    worker.run(adopt_socket(int(arguments[1])), application.start, _report, now=arguments[3] == "now")
    return 0


def _report(slot: Slot) -> dict[str, Any]:
    """What the banner needs of a loaded model."""
    assert slot.loaded is not None
    loaded = slot.loaded
    return {
        "name": slot.name,
        "seconds": slot.seconds,
        "version": loaded.version,
        "placement": loaded.placement,
        "reason": loaded.reason,
        "notes": list(loaded.notes),
        **json.loads(encode(describe_signature(loaded.model.signature))),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

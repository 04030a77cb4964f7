"""From a declared model to a loaded handler: saved models by their loader, Python models by their annotations."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from modelport.artifacts.bundle import is_bundle
from modelport.assembly.answers import body_type
from modelport.assembly.artifacts import find_loader
from modelport.assembly.forms import open_form
from modelport.assembly.hosting import hosting_service, named_service
from modelport.assembly.imports import user_import
from modelport.assembly.packing import pack_signature
from modelport.codecs.bodies import ReadMedia, compile_readers
from modelport.codecs.images import LazyImage
from modelport.codecs.json import compile_decoder, encode
from modelport.codecs.media import OCTETS, kind_of
from modelport.codecs.outcomes import compile_media_writer, compile_writer, offered
from modelport.codecs.problems import invalid_body
from modelport.codecs.typed import TypedBody
from modelport.config import ServeOptions, check_file, for_model, to_plain
from modelport.errors import ArtifactError, ConfigError, InvalidInput, SetupError
from modelport.kernel.context import context_of_batch, current
from modelport.kernel.isolate import AsyncRun, cause_of
from modelport.kernel.values import Failure
from modelport.runtime.forms import Form, Source
from modelport.runtime.generators import first_item
from modelport.runtime.handler import (
    Asked,
    Contexts,
    Handler,
    Outcome,
    Run,
    SlowWarning,
    Streaming,
    as_plain_call,
    batched_run,
    batched_run_async,
    single_run,
    single_run_async,
    timed,
)
from modelport.service import ModelSpec, SavedSpec, Service

MAX_BATCH_ROWS = 1024
ASYNC_ADVICE = "leave out async where nothing is awaited, or await what takes long"
ASYNC_AT_ONCE = 10_000
"""Calls of an `async def` that run side by side unless it says otherwise: more than the queue lets in, so that is the limit."""
IMAGE_BYTES = 256 * 1024 * 1024
"""Of decoded images in one batch."""
Decoded = tuple[list[Any], bool]
log = logging.getLogger("modelport.model")


def load_saved(artifact: Path, options: ServeOptions, form: Form | None) -> Handler:
    """Load an artifact, in the form that was decided on, as a handler."""
    opened = open_form(form, artifact, options)
    model = opened.model
    read = compile_decoder(model.signature)

    def decode(body: bytes) -> tuple[list[Any], bool]:
        decoded = read(body)
        return decoded.records, decoded.batch

    def run(records: Any) -> list[Outcome]:
        return [encode(answer) for answer in model.predict(records)]

    description = {
        "version": opened.version,
        "notes": list(opened.notes),
        "form": opened.form,
        "signature": pack_signature(model.signature),
    }
    return Handler(decode, run, MAX_BATCH_ROWS, 1, description)


# -- Python services -----------------------------------------------------------------------------------------------


def import_service(target: str) -> Service:
    """Import the module and find the service in it. Raises ArtifactError with what to do."""
    where, _, attribute = target.partition(":")
    with user_import(where):
        module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    if attribute:
        return named_service(module, attribute, target)
    services = [value for value in vars(module).values() if isinstance(value, Service)]
    if len(services) > 1:
        raise ArtifactError(f"{where} declares {len(services)} services; name one, as in {where}:service")
    return services[0] if services else hosting_service(module, where)


class _FreshLoader(SourceFileLoader):
    """Compiles the file as it is now: an edit within a second that keeps the size would not make cached bytecode stale."""

    def get_code(self, fullname: str) -> CodeType:
        """Never from the cache."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ArtifactError(f"the file {path} does not exist")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=_FreshLoader(path.stem, str(path.absolute())))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise ArtifactError(f"there is no module {name!r} here") from None
        raise


def check_service(service: Service, options: ServeOptions, alone: bool = False) -> dict[str, Source]:
    """Every declaration, before any model is loaded. Raises SetupError with file and line. Returns the saved models.

    `alone`: in this process only, where threads stand in for processes.
    """
    if not service.names and not service.serves_web:
        raise ConfigError(f"the service {service.name!r} declares no model and no route")
    for spec in service.models.values():
        body_type(spec)
    return {name: saved_source(spec, options, alone) for name, spec in service.saved.items()}


def saved_source(spec: SavedSpec, options: ServeOptions, alone: bool = False) -> Source:
    """A declared saved model for another process. Raises SetupError, with file and line, for what can be told at once."""
    try:
        given = for_model(options, spec.options, spec.name)
        if given.data is not None and given.data is not options.data:
            given = replace(given, data=spec.folder / given.data)
        if given.executor == "thread" and not alone:
            raise ConfigError("executor wants auto, inline or process here; thread is for modelport.app")
        check_file("data", given.data)
        if not is_bundle(spec.path):
            find_loader(spec.path)
    except SetupError as error:
        raise type_with_place(error, spec.place) from None
    return {"target": str(spec.path), "options": to_plain(given), "folder": str(spec.folder)}


def type_with_place(error: SetupError, place: str) -> SetupError:
    """The same complaint, with where the model was declared."""
    kind = ConfigError if isinstance(error, ConfigError) else ArtifactError
    return kind(f"{place}: {error}")


def load_declared(spec: ModelSpec, loop: asyncio.AbstractEventLoop) -> Handler:
    """Load a model declared in Python: make the instance, call its `load`, run its example once. In a thread beside the loop."""
    current.set(context_of_batch(spec.name, []))  # `load` and the example may call other models
    body = body_type(spec)
    function = _bound_function(spec, loop)
    if body.stream is not None:
        return _load_stream(spec, body, function, loop)
    is_async = inspect.iscoroutinefunction(function)
    at_once = spec.parallel or (ASYNC_AT_ONCE if is_async and not spec.batch else 1)
    warning = SlowWarning(spec.name, spec.place, is_async, _advice(spec, is_async), log.warning)
    run, run_async, contexts = _runs(spec, body, timed(function, warning), is_async)
    if spec.example is not None:
        _run_example(spec, body, run if run_async is None else as_plain_call(run_async, loop))
    rows = _max_rows(spec, body)
    readers = compile_readers(body)
    description = {
        **_description(spec, body, at_once, rows),
        "reads": [media.decode() for media in readers],
        "writes": offered(body.answer),
    }
    read = _media_reader(body, readers)
    as_bytes = frozenset({OCTETS} if body.whole is bytes else ())
    ways = (body.runs_code, run_async, contexts, read)
    return Handler(body.decode, run, rows, at_once, description, *ways, read_at_once=as_bytes)


def _description(spec: ModelSpec, body: TypedBody, at_once: int, rows: int) -> dict[str, Any]:
    return {
        "version": "",
        "notes": [],
        "schemas": body.schemas(spec.name),
        "example": spec.example,
        "parallel": at_once,
        "max_rows": rows,
        "list_depth": body.list_depth,
    }


def _runs(
    spec: ModelSpec, body: TypedBody, function: Callable[..., Any], is_async: bool
) -> tuple[Run, AsyncRun | None, Contexts]:
    """How its batches run, in a thread or on the loop."""
    contexts, write = Contexts(), compile_writer(body.answer)

    def call(value: Any) -> Any:
        return function(**body.arguments(value))

    run = batched_run(call, write) if spec.batch else single_run(call, write)
    if not is_async:
        return contexts.enclose(run), None, contexts
    run_async = batched_run_async(call, write) if spec.batch else single_run_async(call, write)
    return run, contexts.enclose_async(run_async), contexts


def _media_reader(body: TypedBody, readers: Mapping[bytes, ReadMedia]) -> Callable[[bytes, bytes], Decoded]:
    """Bodies of other media types than JSON, and of calls whose answers are wanted in another one."""
    way = compile_media_writer(body.answer)

    def read(content: bytes, media: bytes) -> Decoded:
        content_type, _, wanted = media.partition(b"\n")
        records, listed = (
            readers[kind_of(content_type)](content, content_type) if content_type else body.decode(content)
        )
        return ([Asked(record, way(wanted)) for record in records] if wanted else records), listed

    return read


def _advice(spec: ModelSpec, is_async: bool) -> str:
    """What lets more calls of a slow function through, beyond what its author has declared already."""
    if is_async:
        return ASYNC_ADVICE
    parallel = spec.parallel or 1
    declared = {"batch=True": spec.batch, f"parallel={parallel}": parallel > 1}
    open_ways = [way for way, taken in {"batch=True": spec.batch, "parallel=n": parallel > 1}.items() if not taken]
    taken = " and ".join(way for way, is_taken in declared.items() if is_taken)
    return f"{' or '.join(open_ways)} lets more through" if open_ways else f"it has {taken} already"


def _load_stream(
    spec: ModelSpec, body: TypedBody, function: Callable[..., Any], loop: asyncio.AbstractEventLoop
) -> Handler:
    """A model that answers item by item."""
    assert body.stream is not None
    is_async = body.stream.is_async
    at_once = spec.parallel or (ASYNC_AT_ONCE if is_async else 1)
    advice = ASYNC_ADVICE if is_async else "parallel=n lets more through"
    warning = SlowWarning(spec.name, spec.place, is_async, advice, log.warning)

    def open_stream(value: Any) -> Any:
        return function(**body.arguments(value))

    streaming = Streaming(open_stream, compile_writer(body.answer), is_async, warning)
    if spec.example is not None:
        _take_first(spec, body, streaming, loop)
    readers = compile_readers(body)
    description = {
        **_description(spec, body, at_once, 1),
        "reads": [media.decode() for media in readers],
        "streams": True,
    }
    read = _media_reader(body, readers)
    decode = partial(_decode_one, body.decode)
    return Handler(decode, _never, 1, at_once, description, body.runs_code, None, Contexts(), read, streaming)


def _never(records: Any) -> list[Outcome]:
    raise NotImplementedError("a model that answers item by item is not run in batches")


def _decode_one(decode: Callable[[bytes], Decoded], body: bytes) -> Decoded:
    records, listed = decode(body)
    if listed:
        hint = "send one body, and the next one in another request"
        raise invalid_body("stream_of_list", "This model answers item by item, and so takes one body at a time", hint)
    return records, False


def _bound_function(spec: ModelSpec, loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    if not inspect.isclass(spec.target):
        return spec.target
    instance: Any = spec.target()
    load = getattr(instance, "load", None)
    if load is not None:
        as_plain_call(load, loop)()
    predict: Callable[..., Any] = instance.predict
    return predict


def _run_example(spec: ModelSpec, body: TypedBody, run: Run) -> None:
    """Raises ConfigError where the model does not stand its own example."""
    try:
        records, _ = body.decode(encode(spec.example))
    except InvalidInput as error:
        raise ConfigError(f"{spec.place}: the example does not fit: {error}") from None
    try:
        outcomes = run(records)
    except Exception as error:
        raise ConfigError(f"{spec.place}: the example: {cause_of(error)}") from None
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            raise ConfigError(f"{spec.place}: the example: {outcome.cause}")


def _take_first(spec: ModelSpec, body: TypedBody, streaming: Streaming, loop: asyncio.AbstractEventLoop) -> None:
    """The first item of the example: it may be a stream without an end. Raises ConfigError where it fails."""
    try:
        (value,), _ = _decode_one(body.decode, encode(spec.example))
    except InvalidInput as error:
        raise ConfigError(f"{spec.place}: the example does not fit: {error}") from None
    try:
        outcome = first_item(streaming, value, loop)
    except Exception as error:
        raise ConfigError(f"{spec.place}: the example: {cause_of(error)}") from None
    if isinstance(outcome, Failure):
        raise ConfigError(f"{spec.place}: the example: {outcome.cause}")


def _max_rows(spec: ModelSpec, body: TypedBody) -> int:
    """Images of one batch are in memory together, so they are counted by their size."""
    if not spec.batch:
        return 1
    if isinstance(body.whole, LazyImage):
        return max(1, min(MAX_BATCH_ROWS, IMAGE_BYTES // body.whole.image.max_bytes))
    return MAX_BATCH_ROWS

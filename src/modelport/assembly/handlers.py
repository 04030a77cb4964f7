"""From a declared model to a loaded handler: saved models by their loader, Python models by their annotations."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from modelport.assembly.forms import open_form
from modelport.assembly.hosting import hosting_service, named_service
from modelport.assembly.packing import pack_signature
from modelport.codecs.json import compile_decoder, encode, encode_with_nulls
from modelport.codecs.typed import TypedBody, read_body_type
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, ConfigError
from modelport.runtime.forms import Form
from modelport.runtime.handler import Handler, Running, SlowWarning, as_plain_call, batched_run, single_run, timed
from modelport.service import ModelSpec, Service

MAX_BATCH_ROWS = 1024
log = logging.getLogger("modelport.model")


def load_saved(artifact: Path, options: ServeOptions, form: Form | None) -> Handler:
    """Load an artifact, in the form that was decided on, as a handler."""
    opened = open_form(form, artifact, options)
    model = opened.model
    read = compile_decoder(model.signature)

    def decode(body: bytes) -> tuple[list[Any], bool]:
        decoded = read(body)
        return decoded.records, decoded.batch

    def run(records: Any) -> list[bytes]:
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
    module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    if attribute:
        return named_service(module, attribute, target)
    services = [value for value in vars(module).values() if isinstance(value, Service)]
    if len(services) > 1:
        raise ArtifactError(f"{where} declares {len(services)} services; name one, as in {where}:service")
    return services[0] if services else hosting_service(module, where)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ArtifactError(f"the file {path} does not exist")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
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


def check_service(service: Service) -> None:
    """Every model's annotations, before any of them is loaded. Raises ConfigError with file and line."""
    if not service.models and not service.serves_web:
        raise ConfigError(f"the service {service.name!r} declares no model and no route")
    for spec in service.models.values():
        _body_type(spec)


def _body_type(spec: ModelSpec) -> TypedBody:
    function: Any = getattr(spec.target, "predict", spec.target) if inspect.isclass(spec.target) else spec.target
    return read_body_type(function, spec.batch, spec.example, spec.place)


def load_declared(spec: ModelSpec) -> Handler:
    """Load a model declared in Python: make the instance, call its `load`, run its example once."""
    body = _body_type(spec)
    function = _bound_function(spec)
    is_async = inspect.iscoroutinefunction(function)
    advice = _advice(spec, is_async)
    warning = SlowWarning(spec.name, spec.place, is_async, advice, log.warning)
    running = Running() if is_async else None
    plain = as_plain_call(timed(function, warning), is_async, running)

    def call(value: Any) -> Any:
        return plain(**body.arguments(value))

    encode_answer = _encoder(body)
    run = batched_run(call, encode_answer) if spec.batch else single_run(call, encode_answer)
    if running is not None:
        run = running.enclose(run)
    if spec.example is not None:
        records, _ = body.decode(encode(spec.example))
        run(records)
    rows = MAX_BATCH_ROWS if spec.batch else 1
    description = {
        "version": "",
        "notes": [],
        "schemas": body.schemas(spec.name),
        "example": spec.example,
        "parallel": spec.parallel,
        "max_rows": rows,
        "list_body": body.is_list,
    }
    return Handler(body.decode, run, rows, spec.parallel, description, body.runs_code, running)


def _advice(spec: ModelSpec, is_async: bool) -> str:
    """What lets more calls of a slow function through, beyond what its author has declared already."""
    if is_async:
        return "leave out async where nothing is awaited, or await what takes long"
    declared = {"batch=True": spec.batch, f"parallel={spec.parallel}": spec.parallel > 1}
    open_ways = [way for way, taken in {"batch=True": spec.batch, "parallel=n": spec.parallel > 1}.items() if not taken]
    taken = " and ".join(way for way, is_taken in declared.items() if is_taken)
    return f"{' or '.join(open_ways)} lets more through" if open_ways else f"it has {taken} already"


def _bound_function(spec: ModelSpec) -> Callable[..., Any]:
    if not inspect.isclass(spec.target):
        return spec.target
    instance: Any = spec.target()
    load = getattr(instance, "load", None)
    if load is not None:
        as_plain_call(load, inspect.iscoroutinefunction(load))()
    predict: Callable[..., Any] = instance.predict
    return predict


def _encoder(body: TypedBody) -> Callable[[Any], bytes]:
    """Answers that JSON knows are written at once; Pydantic models go through their own serializer."""

    def encode_answer(value: Any) -> bytes:
        dump = getattr(value, "model_dump", None)
        return encode_with_nulls(value if dump is None else dump(mode="json"))

    return encode_answer

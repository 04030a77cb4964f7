"""A model called directly, with no queue and no server around it, for those who want to see what it stands."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelport.assembly.answers import body_type
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.handlers import saved_source
from modelport.codecs.json import compile_decoder, encode, encode_record
from modelport.codecs.outcomes import compile_writer
from modelport.config import ServeOptions, from_plain
from modelport.errors import ConfigError
from modelport.kernel.values import Failure
from modelport.service import ModelHandle, ModelSpec

Ask = Callable[[Any], Any]
"""One body in, one answer out."""


def direct_call(model: Any) -> Ask:
    """A model that is loaded: a handle's, a saved file's, a class's or an object's `predict`, or a function.

    Raises SetupError where it cannot be loaded, or never runs in more than one thread.
    """
    if isinstance(model, ModelHandle):
        spec = model.service.models.get(model.name)
        return _saved(model) if spec is None else _declared(spec)
    if isinstance(model, (str, Path)):
        return _from_file(Path(model), ServeOptions())
    if inspect.isclass(model):
        model = _loaded(model)
    function = getattr(model, "predict", model)
    if not callable(function):
        raise ConfigError(f"a {type(model).__name__} is no model: give a function, or something with predict")
    _refuse_async(function, getattr(model, "__name__", type(model).__name__))
    ask: Ask = function
    return ask


def _declared(spec: ModelSpec) -> Ask:
    body, write = body_type(spec), compile_writer(body_type(spec).answer)
    function: Any = _loaded(spec.target).predict if inspect.isclass(spec.target) else spec.target
    _refuse_async(function, spec.name)

    def ask(example: Any) -> Any:
        records, _ = body.decode(encode_record(example))
        answered = function(**body.arguments(records if spec.batch else records[0]))
        written = write(answered[0] if spec.batch else answered)
        if isinstance(written, Failure):
            raise TypeError(written.cause)
        return bytes(written)

    return ask


def _saved(handle: ModelHandle) -> Ask:
    source = saved_source(handle.service.saved[handle.name], ServeOptions(), alone=True)
    return _from_file(Path(source["target"]), from_plain(source["options"]))


def _from_file(path: Path, options: ServeOptions) -> Ask:
    model, _ = load_artifact(path, options)
    decode = compile_decoder(model.signature)
    return lambda example: bytes(encode(model.predict(decode(encode_record(example)).records)[0]))


def _loaded(kind: Any) -> Any:
    instance = kind()
    load = getattr(instance, "load", None)
    outcome = None if load is None else load()
    if inspect.iscoroutine(outcome):
        asyncio.run(outcome)
    return instance


def _refuse_async(function: Any, name: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{name} is async: its calls take turns on one event loop, and never run in two threads at once"
        )

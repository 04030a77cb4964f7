"""What stands in for a model in a test: a function with the model's own inputs and outputs.

Callers meet the real validation and the real errors. An answer that the model could not have given is the test's own mistake: it
fails, and is told by name.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from modelport.artifacts.bundle import is_bundle, read_bundle
from modelport.assembly.answers import body_type
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.forms import Opened
from modelport.codecs.answers import UnknownAnswer
from modelport.codecs.declared import WrongAnswer, compile_check
from modelport.codecs.json import encode, parse_answer
from modelport.config import ServeOptions
from modelport.errors import ConfigError, MissingExtra
from modelport.fronts.openapi import answer_schema
from modelport.kernel.ports import Cost
from modelport.kernel.signature import Signature
from modelport.kernel.values import Record
from modelport.service import ModelSpec

Ask = Callable[..., Any]
"""Called as the model is: a function in Python with its arguments, everything else with one record."""
Complain = Callable[[str], None]
Check = Callable[[Any], Any]


def python_stand_in(spec: ModelSpec, ask: Ask, complain: Complain, sample: Any = None) -> ModelSpec:
    """The same declaration, around another function. `sample`: an answer that is known before anybody asks.

    Raises ConfigError where the sample is none that the function could return.
    """
    real = getattr(spec.target, "predict", spec.target) if inspect.isclass(spec.target) else spec.target
    typed = body_type(spec)
    fits = compile_check(typed.answer) or (lambda value: value)
    for each in (sample or ()) if typed.stream else (sample,):
        _refuse_sample(spec.name, fits, each)
    check = _telling(fits, spec.name, complain)
    stand_in = _stream(typed.stream.is_async, ask, check) if typed.stream else _function(real, spec.batch, ask, check)
    parameters = [p for p in inspect.signature(real).parameters.values() if p.name != "self"]
    stand_in.__signature__ = inspect.signature(real).replace(parameters=parameters)
    stand_in.__annotations__ = get_type_hints(real, include_extras=True)
    stand_in.__name__, stand_in.__wrapped__ = spec.name, real
    return replace(spec, target=stand_in, example=None)


def _function(real: Any, batch: bool, ask: Ask, check: Check) -> Any:
    """One with the same way of being called; it may be asked by several threads, or on a loop, as the real one is."""
    if batch and (inspect.iscoroutinefunction(real) or inspect.iscoroutinefunction(ask)):

        async def each_later(**arguments: Any) -> list[Any]:
            (records,) = arguments.values()
            return [check(await _settled(ask(record))) for record in records]

        return each_later
    if batch:

        def each(**arguments: Any) -> list[Any]:
            (records,) = arguments.values()
            return [check(ask(record)) for record in records]

        return each
    if inspect.iscoroutinefunction(real) or inspect.iscoroutinefunction(ask):

        async def one_later(**arguments: Any) -> Any:
            return check(await _settled(_call(ask, arguments)))

        return one_later
    return lambda **arguments: check(_call(ask, arguments))


def _stream(is_async: bool, ask: Ask, check: Check) -> Any:
    """One that gives the items of the fake's answer: of a list, or of a generator of its own."""

    def items(**arguments: Any) -> Iterator[Any]:
        for item in _call(ask, arguments):
            yield check(item)

    async def items_later(**arguments: Any) -> AsyncIterator[Any]:
        answer = await _settled(_call(ask, arguments))
        if hasattr(answer, "__aiter__"):
            async for item in answer:
                yield check(item)
        else:
            for item in answer:
                yield check(item)

    return items_later if is_async else items


def _call(ask: Ask, arguments: dict[str, Any]) -> Any:
    """A single argument goes by its place, so that the fake may call it as it likes."""
    return ask(*arguments.values()) if len(arguments) == 1 else ask(**arguments)


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


# -- saved models ----------------------------------------------------------------------------------------------------


class StandIn:
    """A saved model with the signature of another."""

    def __init__(self, signature: Signature, ask: Ask, check: Check) -> None:
        self.signature = signature
        self.cost = Cost(bytes=1, compiled=False, releases_gil=False)
        self._ask = ask
        self._check = check

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One call for each record."""
        return [self._check(self._ask(dict(zip(self.signature.names, record, strict=True)))) for record in records]


def saved_stand_in(
    name: str, ask: Ask, complain: Complain, sample: Any = None
) -> Callable[[Path, ServeOptions], Opened]:
    """What opens a stand-in where the artifact would be opened. `sample`: an answer that is known before anybody asks."""

    def open_stand_in(artifact: Path, options: ServeOptions) -> Opened:
        signature = _signature_of(artifact, options)
        fits = _fits(signature)
        _refuse_sample(name, fits, sample)
        return Opened(StandIn(signature, ask, _telling(fits, name, complain)), "fake", (), {})

    return open_stand_in


def _signature_of(artifact: Path, options: ServeOptions) -> Signature:
    """A bundle says it; of other artifacts it is in what they hold, so they are loaded for it."""
    return (
        read_bundle(artifact).manifest.signature
        if is_bundle(artifact)
        else load_artifact(artifact, options)[0].signature
    )


def _fits(signature: Signature) -> Check:
    """A function that gives an answer back, or raises WrongAnswer with what the signature says of it."""
    try:
        from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise MissingExtra("a fake of a saved model", "testing") from None
    validator = Draft202012Validator(answer_schema(signature) | {"additionalProperties": False})

    def check(value: Any) -> Any:
        fault = best_match(validator.iter_errors(parse_answer(encode(value))))
        if fault is not None:
            raise WrongAnswer(f"{fault.json_path.removeprefix('$').lstrip('.') or 'the answer'}: {fault.message}")
        return value

    return check


def _refuse_sample(name: str, fits: Check, sample: Any) -> None:
    if sample is not None:
        try:
            fits(sample)
        except (WrongAnswer, UnknownAnswer) as error:
            raise ConfigError(
                f"the fake of {name!r} gives an answer that the model could not have given: {error}"
            ) from None


def _telling(check: Check, name: str, complain: Complain) -> Check:
    def told(value: Any) -> Any:
        try:
            return check(value)
        except (WrongAnswer, UnknownAnswer) as error:
            complain(
                f"the fake of {name!r} gave an answer that the model could not have given: {error}; it gave {value!r:.200}"
            )
            raise

    return told

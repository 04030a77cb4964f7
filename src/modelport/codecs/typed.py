"""Bodies and answers of models written in Python, typed by their annotations and validated by Pydantic.

The parameters of a function are the fields of the body; a single parameter that is itself a Pydantic model, dataclass or
TypedDict is the body. A batched function takes a list, of which one element is one body. A list of bodies is a batch.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError

from modelport.codecs.json import is_list_of_bodies, parse, shorten
from modelport.codecs.slices import cut_list
from modelport.errors import ConfigError, InvalidInput, Loc, MalformedBody, Problem
from modelport.kernel.names import component_name

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=False)


LONG_BODY = 64 * 1024
"""Lists beyond this are read slice by slice."""

MAX_PROBLEMS = 100
MAX_COUNTED = 5000
"""Pydantic lists all problems or none, and holds the GIL while it does: beyond these a body is told their number alone."""

PLAIN_SCHEMAS = frozenset(
    {
        "any",
        "bool",
        "bytes",
        "dataclass",
        "dataclass-args",
        "dataclass-field",
        "date",
        "datetime",
        "decimal",
        "default",
        "definition-ref",
        "definitions",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "literal",
        "model",
        "model-field",
        "model-fields",
        "none",
        "nullable",
        "set",
        "str",
        "tagged-union",
        "time",
        "timedelta",
        "tuple",
        "typed-dict",
        "typed-dict-field",
        "union",
        "uuid",
    }
)
"""Parts of a Pydantic schema that are read in Rust alone."""


@dataclasses.dataclass(frozen=True)
class TypedBody:
    """How one model's body is read: its adapters, and how a body becomes the arguments of the function."""

    one: TypeAdapter[Any]
    many: TypeAdapter[list[Any]]
    arguments: Callable[[Any], dict[str, Any]]
    is_list: bool
    answer: TypeAdapter[Any] | None
    example: Any

    def decode(self, body: bytes) -> tuple[list[Any], bool]:
        """The bodies, and whether they came as a list. Raises InvalidInput with every problem."""
        batch = is_list_of_bodies(body, self.is_list)
        if batch and len(body) > LONG_BODY:
            return self._decode_slices(body), True
        try:
            if b"NaN" in body or b"Infinity" in body:  # Pydantic would read them as numbers
                parse(body, self._example_text())
            value = (self.many if batch else self.one).validate_json(body, strict=True)
        except ValidationError as error:
            parsed = parse(body, self._example_text())  # what is no JSON at all gets its own message
            raise InvalidInput(_problems(error, self._example_text(), parsed)) from None
        return (value, True) if batch else ([value], False)

    def _decode_slices(self, body: bytes) -> list[Any]:
        """The same for a long list, in short steps: others run between them."""
        values: list[Any] = []
        found: list[Problem] = []
        count = rows = 0
        if b"NaN" in body or b"Infinity" in body:
            parse(body, self._example_text())
        for size, part in cut_list(body):
            try:
                values += self.many.validate_json(part, strict=True)
            except ValidationError as error:
                count += error.error_count()
                found += self._problems_of(error, part, body, rows, MAX_PROBLEMS - len(found))
                if count > MAX_COUNTED:
                    raise InvalidInput([_too_many(f"more than {MAX_COUNTED:,}", self._example_text())]) from None
            rows += size
        if found:
            raise InvalidInput(found)
        return values

    def _problems_of(self, error: ValidationError, part: bytes, body: bytes, rows: int, most: int) -> list[Problem]:
        """Of a slice that begins at that row. What is no JSON at all gets its own message, with its place in the body."""
        try:
            parsed = parse(part, self._example_text())
        except MalformedBody:
            parse(body, self._example_text())
            raise  # never: what holds a malformed part is malformed
        found = _problems(error, self._example_text(), parsed)[:most]
        return [replace(p, loc=_shift(p.loc, rows)) for p in found]

    @cached_property
    def runs_code(self) -> bool:
        """Whether reading a body may run code of the user's: a validator, a constructor, a factory of defaults."""
        return _runs_code(self.one.core_schema)

    def _example_text(self) -> str:
        return json.dumps(self.example, default=str)[:400] if self.example is not None else "what /docs shows"

    def schemas(self, model: str) -> dict[str, Any]:
        """JSON Schemas of body and answer; references go to the components that the OpenAPI document gives this model."""
        template = f"#/components/schemas/{component_name(model)}.{{model}}"
        answer = {} if self.answer is None else self.answer.json_schema(mode="serialization", ref_template=template)
        return {"body": self.one.json_schema(ref_template=template), "answer": answer}


def read_body_type(function: Callable[..., Any], batch: bool, example: Any, place: str) -> TypedBody:
    """Read a function's annotations. Raises ConfigError with file and line where they do not say enough."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigError(f"{place}: the annotation {error.name!r} is not defined") from None
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    _check_parameters(parameters, hints, batch, place)
    try:
        body, arguments = _body_of(parameters, hints, batch)
        one, many = TypeAdapter(body), TypeAdapter(list[body])  # type: ignore[valid-type]
        answer = _answer_of(hints.get("return"), batch)
        answer_adapter = None if answer is None else TypeAdapter(answer)
        (answer_adapter or one).json_schema()
    except (PydanticUserError, TypeError) as error:
        raise ConfigError(
            f"{place}: these annotations cannot be read from JSON: {str(error).partition(chr(10))[0]}"
        ) from None
    return TypedBody(one, many, arguments, _is_list_type(body), answer_adapter, example)


def _check_parameters(parameters: Sequence[inspect.Parameter], hints: dict[str, Any], batch: bool, place: str) -> None:
    if not parameters:
        raise ConfigError(f"{place}: predict takes no input; give it at least one annotated parameter")
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY):
            raise ConfigError(f"{place}: the parameter {p.name!r} cannot be a field of a body; name each input")
        if p.name not in hints:
            raise ConfigError(f"{place}: annotate the parameter {p.name!r}, for example  {p.name}: float")
    if batch and (len(parameters) != 1 or get_origin(hints[parameters[0].name]) not in (list, Sequence)):
        raise ConfigError(f"{place}: batch=True wants one parameter that is a list, for example  xs: list[float]")


def _body_of(
    parameters: Sequence[inspect.Parameter], hints: dict[str, Any], batch: bool
) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
    first = parameters[0].name
    if batch:
        return _strict(get_args(hints[first])[0]), lambda bodies: {first: bodies}
    if len(parameters) == 1 and _is_record(hints[first]):
        return hints[first], lambda body: {first: body}
    fields: dict[str, Any] = {
        f"p{i}": (hints[p.name], Field(... if p.default is p.empty else p.default, alias=p.name))
        for i, p in enumerate(parameters)
    }
    names = [p.name for p in parameters]
    model = create_model("Body", __config__=STRICT, **fields)
    return model, lambda body: {name: getattr(body, f"p{i}") for i, name in enumerate(names)}


def _is_record(kind: Any) -> bool:
    return (
        dataclasses.is_dataclass(kind) or is_typeddict(kind) or (inspect.isclass(kind) and issubclass(kind, BaseModel))
    )


def _strict(kind: Any) -> Any:
    """A bare float still refuses NaN and infinity."""
    from typing import Annotated

    return Annotated[kind, Field(allow_inf_nan=False)] if kind is float else kind


def _is_list_type(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, set, frozenset, Sequence)


def _answer_of(hint: Any, batch: bool) -> Any:
    if hint is None or hint is Any:
        return None
    return (get_args(hint) or (None,))[0] if batch else hint


def _problems(error: ValidationError, example: str, parsed: Any) -> list[Problem]:
    hint = f"send for example {example}"
    if error.error_count() > MAX_COUNTED:
        return [_too_many(f"{error.error_count():,}", example)]
    found = error.errors(include_url=False, include_context=False)[:MAX_PROBLEMS]
    return [Problem(("body", *e["loc"]), e["msg"], e["type"], shorten(_sent(e, parsed)), hint) for e in found]


def _too_many(count: str, example: str) -> Problem:
    hint = f"send one record, to see what is wrong; send for example {example}"
    return Problem(("body",), f"The body has {count} problems, too many to list", "too_many_problems", None, hint)


def _shift(loc: Loc, rows: int) -> Loc:
    """The place in the whole list of what was found in a slice of it."""
    return (*loc[:1], loc[1] + rows, *loc[2:]) if len(loc) > 1 and isinstance(loc[1], int) else loc


def _sent(error: Any, parsed: Any) -> Any:
    """The input of a problem. Pydantic tells no more of 1e400 than that it is infinite; our own parser keeps what was sent."""
    if not isinstance(error["input"], float) or math.isfinite(error["input"]):
        return error["input"]
    try:
        for part in error["loc"]:
            parsed = parsed[part]
    except (LookupError, TypeError):  # the path also names members of unions
        return error["input"]
    return parsed if isinstance(parsed, float) else error["input"]


def _runs_code(schema: Any) -> bool:
    if isinstance(schema, (list, tuple)):
        return any(map(_runs_code, schema))
    if not isinstance(schema, dict):
        return False
    kind = schema.get("type")
    if not isinstance(kind, str):  # fields by their names, which may be any word
        return any(map(_runs_code, schema.values()))
    if kind not in PLAIN_SCHEMAS or any(schema.get(key) for key in ("custom_init", "post_init", "default_factory")):
        return True
    return any(_runs_code(part) for key, part in schema.items() if key not in ("metadata", "default"))

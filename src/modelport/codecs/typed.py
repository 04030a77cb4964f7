"""Bodies and answers of models written in Python, typed by their annotations and validated by Pydantic.

The parameters of a function are the fields of the body; a single parameter that is itself a Pydantic model, dataclass or
TypedDict is the body. A batched function takes a list, of which one element is one body. A list of bodies is a batch.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from modelport.codecs.arrays import Array
from modelport.codecs.bulk import REFUSALS, compile_bulk_reader
from modelport.codecs.hints import (
    Whole,
    decode_late,
    file_schema,
    is_data_frame,
    is_file,
    is_whole,
    list_depth,
    marker_of,
    read_hint,
    settle,
    write_hint,
)
from modelport.codecs.images import LazyImage
from modelport.codecs.json import is_list_of_bodies, parse, shorten
from modelport.codecs.problems import RUNS_NO_CODE, invalid
from modelport.codecs.slices import cut_list
from modelport.codecs.streamed import Streamed, read_stream
from modelport.codecs.strict import read_strictly
from modelport.errors import ConfigError, Loc, MalformedBody, Problem
from modelport.kernel.names import component_name

BASE64 = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=False, **BASE64)

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
    """How one model's body is read: its adapters, and how a body becomes the arguments of the function.

    `whole`: what the body is where it is no JSON by nature: an array, a table, an image, or `bytes`.
    """

    one: TypeAdapter[Any]
    many: TypeAdapter[list[Any]]
    arguments: Callable[[Any], dict[str, Any]]
    list_depth: int
    answer: TypeAdapter[Any] | None
    example: Any
    parameters: tuple[Parameter, ...] = ()
    whole: Whole | type[bytes] | None = None
    answers_frame: bool = False
    stream: Streamed | None = None
    """Where it answers item by item: `answer` is the type of one item then."""

    def decode(self, body: bytes) -> tuple[list[Any], bool]:
        """The bodies, and whether they came as a list. Raises InvalidInput with every problem."""
        batch = is_list_of_bodies(body, self.list_depth)
        if self._bulk is not None and not batch:
            with suppress(*REFUSALS):
                return [self._bulk(body)], False
        if batch and len(body) > LONG_BODY:
            return self._decode_slices(body), True
        try:
            if b"NaN" in body or b"Infinity" in body:  # Pydantic would read them as numbers
                parse(body, self.example_text())
            value = read_strictly(self.many if batch else self.one, body)
        except ValidationError as error:
            parsed = parse(body, self.example_text())  # what is no JSON at all gets its own message
            raise invalid(problems_of(error, self.example_text(), parsed)) from None
        return (value, True) if batch else ([value], False)

    def _decode_slices(self, body: bytes) -> list[Any]:
        """The same for a long list, in short steps: others run between them."""
        values: list[Any] = []
        found: list[Problem] = []
        count = rows = 0
        if b"NaN" in body or b"Infinity" in body:
            parse(body, self.example_text())
        for size, part in cut_list(body):
            try:
                values += read_strictly(self.many, part)
            except ValidationError as error:
                count += error.error_count()
                found += self._problems_of(error, part, body, rows, MAX_PROBLEMS - len(found))
                if count > MAX_COUNTED:
                    raise invalid([_too_many(f"more than {MAX_COUNTED:,}", self.example_text())]) from None
            rows += size
        if found:
            raise invalid(found)
        return values

    def _problems_of(self, error: ValidationError, part: bytes, body: bytes, rows: int, most: int) -> list[Problem]:
        """Of a slice that begins at that row. What is no JSON at all gets its own message, with its place in the body."""
        try:
            parsed = parse(part, self.example_text())
        except MalformedBody:
            parse(body, self.example_text())
            raise  # never: what holds a malformed part is malformed
        found = problems_of(error, self.example_text(), parsed)[:most]
        return [replace(p, loc=_shift(p.loc, rows)) for p in found]

    def take(self, value: Any) -> tuple[list[Any], bool]:
        """One body that came in another form than JSON: an array, a table, a file, the fields of a form."""
        try:
            return [self.one.validate_python(value)], False
        except ValidationError as error:
            raise invalid(problems_of(error, self.example_text(), value)) from None

    @cached_property
    def _bulk(self) -> Callable[[bytes], Any] | None:
        """The quick way to a body that is an array as a whole, with nothing else declared of it."""
        if not isinstance(self.whole, Array) or get_args(self.parameters[0].hint)[1:] != (self.whole,):
            return None
        return compile_bulk_reader(self.whole)

    @cached_property
    def runs_code(self) -> bool:
        """Whether reading a body may run code of the user's, or takes long: a validator, a constructor, an image."""
        return _runs_code(self.one.core_schema)

    def example_text(self) -> str:
        """What a hint shows."""
        return json.dumps(self.example, default=str)[:400] if self.example is not None else "what /docs shows"

    def schemas(self, model: str) -> dict[str, Any]:
        """JSON Schemas of body and answer; references go to the components that the OpenAPI document gives this model."""
        template = f"#/components/schemas/{component_name(model)}.{{model}}"
        answer = {} if self.answer is None else self.answer.json_schema(mode="serialization", ref_template=template)
        body = self.one.json_schema(ref_template=template)
        return {"body": body, "answer": answer, "form": self._form_schema(body)}

    def _form_schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """What a form with files holds; None where there are none."""
        if not any(is_file(p.hint) for p in self.parameters):
            return None
        properties = {
            p.name: file_schema(p.hint) if is_file(p.hint) else body["properties"][p.name] for p in self.parameters
        }
        required = [p.name for p in self.parameters if p.required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def read_body_type(function: Callable[..., Any], batch: bool, example: Any, place: str) -> TypedBody:
    """Read a function's annotations. Raises ConfigError with file and line where they do not say enough."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigError(f"{place}: the annotation {error.name!r} is not defined") from None
    except (AttributeError, TypeError, SyntaxError) as error:
        raise ConfigError(f"{place}: an annotation cannot be read: {error}") from None
    found = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    _check_parameters(found, hints, batch, place)
    _check_answers(hints.get("return"), batch, place)
    try:
        parameters = _read_parameters(found, hints, place)
        body, arguments = _body_of(parameters, batch)
        one, many = adapter_of(body), adapter_of(list[body])  # type: ignore[valid-type]
        stream = read_stream(function, hints.get("return"), batch, place)
        answer = _answer_of(stream.item if stream else hints.get("return"), batch)
        answer_adapter = None if answer is None else adapter_of(answer)
        one.json_schema()
        if answer_adapter is not None:
            answer_adapter.json_schema(mode="serialization")
    except (PydanticUserError, TypeError) as error:
        raise ConfigError(f"{place}: these annotations cannot be read from JSON: {_schema_fault(error)}") from None
    depth = list_depth(body, _is_list_type)
    whole = bytes if body is bytes else marker_of(body)
    parameters = (Parameter(parameters[0].name, body),) if batch else parameters
    is_frame = is_data_frame(_element_of(hints.get("return"), batch))
    return TypedBody(one, many, arguments, depth, answer_adapter, example, parameters, whole, is_frame, stream)


def _schema_fault(error: Exception) -> str:
    """The first line of what Pydantic says, with our remedy where it knows none."""
    text = str(error).partition("\n")[0]
    kind = re.match(r"Unable to generate pydantic-core schema for (.*?)\. Set `", text)
    if kind is None:
        return text
    if "numpy.ndarray" in kind[1]:
        return f'in a class write Annotated[np.ndarray, modelport.Array("float32", (None, 8))] instead of {kind[1]}'
    remedy = "take and return numbers, text, lists, dataclasses, Pydantic models, arrays, tables or images"
    return f"{kind[1]} has no form in JSON; {remedy}"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One input of a function: its name, its type as Pydantic reads it, and its default if it has one."""

    name: str
    hint: Any
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        """Whether it must be sent."""
        return self.default is inspect.Parameter.empty


def adapter_of(hint: Any) -> TypeAdapter[Any]:
    """With bytes as base64; a class that is a record has its own configuration."""
    return TypeAdapter(hint) if _is_record(hint) else TypeAdapter(hint, config=BASE64)


def _read_parameters(found: Sequence[inspect.Parameter], hints: dict[str, Any], place: str) -> tuple[Parameter, ...]:
    parameters = []
    for p in found:
        try:
            parameters.append(Parameter(p.name, decode_late(read_hint(hints[p.name])), p.default))
        except TypeError as error:
            raise ConfigError(f"{place}: the parameter {p.name!r}: {error}") from None
        _check_default(parameters[-1], hints[p.name], place)
    return tuple(parameters)


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


def _check_default(parameter: Parameter, hint: Any, place: str) -> None:
    """A default is what the function gets, so it must be of the type that it says. None is left to it."""
    default = parameter.default
    if parameter.required or default is None or marker_of(parameter.hint) is not None:
        return
    shown = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    if type(default).__module__.partition(".")[0] in ("pydantic", "fastapi"):
        raise ConfigError(
            f"{place}: the default of {parameter.name!r} is {default!r:.60}: write  "
            f"{parameter.name}: Annotated[{shown}, Field(…)],  and the default itself behind it"
        )
    try:
        adapter_of(parameter.hint).validate_python(default)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ConfigError(
            f"{place}: the default of {parameter.name!r} is {default!r:.60}, which is no {shown}: {reason}"
        ) from None


NO_ANSWERS = (bool, int, float, str, bytes, dict, set, frozenset)
"""What is no list with an answer for each body."""


def _check_answers(hint: Any, batch: bool, place: str) -> None:
    kind = get_origin(hint) or hint
    if batch and hint is not None and (kind in NO_ANSWERS or _is_record(kind)):
        shown = kind.__name__ if not get_args(hint) else str(hint).replace("typing.", "")
        raise ConfigError(
            f"{place}: batch=True wants a list of answers, one for each body, and this says {shown}: write  -> list[{shown}]"
        )


def _body_of(parameters: Sequence[Parameter], batch: bool) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
    first, hint = parameters[0].name, parameters[0].hint
    if batch:
        element = decode_late(_strict(get_args(hint)[0]))
        if isinstance(marker_of(element), LazyImage):
            return element, lambda bodies: {first: list(map(settle, bodies))}
        return element, lambda bodies: {first: bodies}
    if len(parameters) == 1 and is_whole(hint):
        return hint, lambda body: {first: settle(body)}
    if len(parameters) == 1 and _is_record(hint):
        return hint, lambda body: {first: body}
    fields: dict[str, Any] = {
        f"p{i}": (p.hint, Field(... if p.required else p.default, alias=p.name)) for i, p in enumerate(parameters)
    }
    names = [p.name for p in parameters]
    model = create_model("Body", __config__=STRICT, **fields)
    if any(map(is_file, (p.hint for p in parameters))):
        return model, lambda body: {name: settle(getattr(body, f"p{i}"), name) for i, name in enumerate(names)}
    return model, lambda body: {name: getattr(body, f"p{i}") for i, name in enumerate(names)}


def _is_record(kind: Any) -> bool:
    """Whether it has fields of its own; of a generic class, too: `Box[int]`."""
    kind = get_origin(kind) or kind
    return (
        dataclasses.is_dataclass(kind) or is_typeddict(kind) or (inspect.isclass(kind) and issubclass(kind, BaseModel))
    )


def _strict(kind: Any) -> Any:
    """A bare float still refuses NaN and infinity."""
    return Annotated[kind, Field(allow_inf_nan=False)] if kind is float else kind


def _is_list_type(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, set, frozenset, Sequence)


def _element_of(hint: Any, batch: bool) -> Any:
    """The annotation of one answer."""
    if not batch:
        return hint
    return get_args(hint)[0] if _is_list_type(hint) and get_args(hint) else None


def _answer_of(hint: Any, batch: bool) -> Any:
    if hint is None or hint is Any:
        return None
    hint = _element_of(hint, batch)
    written = None if hint is None else write_hint(hint)
    return None if written is Any else written


def problems_of(error: ValidationError, example: str, parsed: Any) -> list[Problem]:
    """Every problem that Pydantic found, in our shape; what our own readers found has its own hint."""
    hint = f"send for example {example}"
    if error.error_count() > MAX_COUNTED:
        return [_too_many(f"{error.error_count():,}", example)]
    found = error.errors(include_url=False)[:MAX_PROBLEMS]
    return [
        Problem(("body", *e["loc"]), e["msg"], e["type"], shorten(_sent(e, parsed)), e.get("ctx", {}).get("hint", hint))
        for e in found
    ]


def _too_many(count: str, example: str) -> Problem:
    hint = f"send one record, to see what is wrong; send for example {example}"
    return Problem(("body",), f"The body has {count} problems, too many to list", "too_many_problems", None, hint)


def _shift(loc: Loc, rows: int) -> Loc:
    """The place in the whole list of what was found in a slice of it."""
    return (*loc[:1], loc[1] + rows, *loc[2:]) if len(loc) > 1 and isinstance(loc[1], int) else loc


def _sent(error: Any, parsed: Any) -> Any:
    """The input of a problem, where it is one of JSON. Of 1e400 Pydantic tells that it is infinite; our parser keeps it."""
    if not isinstance(error["input"], (str, int, float, list, dict, type(None))):
        return None
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
    if (schema.get("metadata") or {}).get(RUNS_NO_CODE):
        return False
    if kind not in PLAIN_SCHEMAS or any(schema.get(key) for key in ("custom_init", "post_init", "default_factory")):
        return True
    return any(_runs_code(part) for key, part in schema.items() if key not in ("metadata", "default"))

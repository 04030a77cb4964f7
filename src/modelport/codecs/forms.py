"""Forms with files: multipart/form-data, whose fields are the parameters of a function."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, get_args, get_origin

from modelport.codecs.hints import is_file, marker_of
from modelport.codecs.problems import invalid, invalid_body
from modelport.codecs.typed import Parameter, TypedBody, adapter_of, problems_of
from modelport.errors import InvalidInput, MalformedBody, MissingExtra, Problem

MAX_PARTS = 200
MAX_FIELD_HEAD = 4096
HINT = "send multipart/form-data, as curl -F and browsers do"


@dataclass(slots=True)
class Part:
    """One field of a form."""

    name: str
    content: bytes
    is_json: bool


@dataclass(slots=True)
class _Reading:
    """What a parser's callbacks gather: the parts, and the one that is being read."""

    parts: list[tuple[dict[str, bytes], bytes]] = field(default_factory=list)
    head: dict[str, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    chunks: list[bytes] = field(default_factory=list)

    def callbacks(self) -> dict[str, Any]:
        """In the parser's words."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self.chunks.append(data[start:end]),
            "on_part_end": lambda: self.parts.append((self.head, b"".join(self.chunks))),
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} fields")
        self.head, self.chunks = {}, []

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]
        if len(self.value) > MAX_FIELD_HEAD:
            raise ValueError("the head of a field is too long")

    def _end_header(self) -> None:
        self.head[self.name.decode("latin-1").lower()] = self.value
        self.name = self.value = b""


def read_parts(body: bytes, content_type: bytes) -> list[Part]:
    """The fields of a form. Raises MalformedBody, or MissingExtra where no parser is installed."""
    try:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header
    except ModuleNotFoundError:
        raise MissingExtra("multipart/form-data", "forms") from None
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise _malformed("The header Content-Type names no boundary between the fields")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]  # a TypedDict of its own
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise _malformed(f"The form is damaged: {error}") from None
    if not body.rstrip().endswith(b"--" + boundary + b"--"):
        raise _malformed("The form ends before its last boundary")
    return [_part(head, content, parse_options_header) for head, content in reading.parts]


def _part(head: dict[str, bytes], content: bytes, parse_options: Any) -> Part:
    kind, options = parse_options(head.get("content-disposition", b""))
    name = options.get(b"name")
    if kind != b"form-data" or name is None:
        raise _malformed("A field of the form has no name")
    media = head.get("content-type", b"").partition(b";")[0].strip().lower()
    return Part(name.decode("utf-8", "replace"), content, media == b"application/json")


def _malformed(message: str) -> MalformedBody:
    return MalformedBody([Problem(("body",), message, "form_invalid", None, HINT)])


# -- fields to parameters ------------------------------------------------------------------------------------------


class FormReader:
    """Forms for one function. What each field becomes is decided once."""

    def __init__(self, body: TypedBody) -> None:
        self.body = body
        self.fields = {p.name: _field_reader(p) for p in body.parameters}

    def read(self, content: bytes, content_type: bytes) -> tuple[list[Any], bool]:
        """The one body that a form holds. Raises InvalidInput with every problem."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for part in read_parts(content, content_type):
            reader = self.fields.get(part.name)
            if reader is None or part.name in values:
                problems.append(self._misplaced(part, part.name in values))
                continue
            try:
                values[part.name] = reader(part)
            except InvalidInput as error:
                problems += error.problems
                values[part.name] = None
        if problems:
            raise invalid(problems)
        if self.body.whole is None:
            return self.body.take(values)
        name = self.body.parameters[0].name
        if name not in values:
            raise invalid_body("missing", "Field required", f"send the file in the field {name!r}", ("body", name))
        return self.body.take(values[name])

    def _misplaced(self, part: Part, twice: bool) -> Problem:
        if twice:
            return Problem(("body", part.name), "The field stands twice", "duplicate_key", None, "send each field once")
        hint = f"the fields are {', '.join(self.fields)}"
        return Problem(("body", part.name), "Extra inputs are not permitted", "extra_forbidden", None, hint)


def _field_reader(parameter: Parameter) -> Any:
    """A file as it is; text of a plain type as forms write it; anything else, and what says so, as JSON."""
    if is_file(parameter.hint):
        return lambda part: part.content
    from pydantic import ValidationError

    adapter = adapter_of(parameter.hint)
    as_text = _is_plain(parameter.hint)

    def read(part: Part) -> Any:
        try:
            if as_text and not part.is_json:
                return adapter.validate_strings(part.content.decode())
            return adapter.validate_json(part.content, strict=True)
        except UnicodeDecodeError:
            hint = "send text as UTF-8"
            raise invalid_body("invalid_utf8", "The field is not valid UTF-8", hint, ("body", part.name)) from None
        except ValidationError as error:
            found = problems_of(error, "a value of this type" if as_text else "JSON of this type", None)
            raise InvalidInput([replace(p, loc=("body", part.name, *p.loc[1:])) for p in found]) from None

    return read


def _is_plain(hint: Any) -> bool:
    """Whether forms have a usual way to write it."""
    import datetime
    import decimal
    import enum
    import typing
    import uuid

    origin = get_origin(hint)
    if origin is typing.Literal:
        return True
    if origin is typing.Annotated:
        return marker_of(hint) is None and _is_plain(hint.__origin__)
    if type(None) in get_args(hint):
        return all(_is_plain(a) for a in get_args(hint) if a is not type(None))
    plain = (
        str,
        int,
        float,
        bool,
        enum.Enum,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
    )
    return isinstance(hint, type) and issubclass(hint, plain)

"""JSON bodies: a decoder compiled per signature, a careful second reading for what it refuses, and the answers.

The compiled decoder holds types, training ranges and categories, so that a good record costs one call in C. Whatever it
refuses is parsed again with the standard library and read by `kernel.check`, which explains it or accepts it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from modelport.codecs.places import find_constant, find_twice
from modelport.codecs.slices import cut_list
from modelport.errors import InvalidInput, Loc, MalformedBody, Problem
from modelport.kernel.check import read_body
from modelport.kernel.signature import Field, Kind, Signature
from modelport.kernel.values import Failure, Record

MEDIA_TYPE = b"application/json"
MAX_DIGITS = 40
"""Numbers longer than this are cut in error bodies."""

_SPACE = b" \t\r\n"
_LONG_LIST = 2**20  # is counted in steps, so that others run between them
_PROBE = 256
_astuple = msgspec.structs.astuple


@dataclass(slots=True)
class Decoded:
    """A body that was read: its records, whether it was a list, and what lies outside the training data."""

    records: list[Record]
    batch: bool
    outside: list[Loc]


_NOTHING_OUTSIDE: list[Loc] = []


def compile_decoder(signature: Signature) -> Callable[[bytes], Decoded]:
    """A function from bytes to records. It raises InvalidInput with every problem, or MalformedBody."""
    careful = _compile_careful(signature)
    fast = None if any(_needs_care(f) for f in signature.inputs) else _compile_fast(signature)
    if fast is None:
        return careful

    def decode(body: bytes) -> Decoded:
        try:
            decoded = fast(body)
        except (msgspec.MsgspecError, IndexError, ValueError, OverflowError, RecursionError):
            decoded = None
        return decoded or careful(body)

    return decode


def _needs_care(f: Field) -> bool:
    """The compiled decoder cannot be told of categories of floats or beyond 64 bits, nor of names that JSON escapes."""
    if any(c < " " or c in '"\\' for c in f.name):
        return True
    if f.kind is Kind.INT:
        return not all(type(c) is int and -(2**63) <= c < 2**63 for c in f.categories)
    return f.kind is Kind.FLOAT and bool(f.categories)


# -- the compiled decoder ------------------------------------------------------------------------------------------


def _compile_fast(signature: Signature) -> Callable[[bytes], Decoded | None]:
    """None for the bytes that only the careful reading can tell about.

    A key that stands twice is seen by counting colons: there are more of them than the fields of the records have.
    """
    if any(f.optional for f in signature.inputs):
        return _compile_fast_with_gaps(signature)
    one, many = _compile_structs(signature)
    flat, flats = _compile_structs(signature, array_like=True) if signature.positional else (None, None)
    finish = _compile_tensors(signature)
    colons = sum(1 + f.name.count(":") for f in signature.inputs)
    colon_in_name = colons > len(signature.inputs)

    def decode_object(body: bytes) -> Decoded | None:
        if body.count(b":") != colons:
            return None
        return Decoded([finish(_astuple(one(body)))], False, _NOTHING_OUTSIDE)

    def decode_list(body: bytes) -> Decoded | None:
        opening = body[1:].lstrip(_SPACE)[:1] if flat else b"{"
        if opening == b"{":
            records = [finish(_astuple(struct)) for struct in many(body)]
            return Decoded(records, True, _NOTHING_OUTSIDE) if body.count(b":") == colons * len(records) else None
        if flat is None or flats is None or opening == b"]":
            return None
        if opening == b"[":
            return Decoded([_astuple(struct) for struct in flats(body)], True, _NOTHING_OUTSIDE)
        return Decoded([_astuple(flat(body))], False, _NOTHING_OUTSIDE)

    def decode(body: bytes) -> Decoded | None:
        first = body[0]
        if first == 0x7B:
            return decode_object(body)
        return decode_list(body) if first == 0x5B else None

    def decode_unescaped(body: bytes) -> Decoded | None:
        return None if b"\\" in body else decode(body)  # an escaped colon would spoil the count

    return decode_unescaped if colon_in_name else decode


def _compile_fast_with_gaps(signature: Signature) -> Callable[[bytes], Decoded | None]:
    """The same where fields may be left out. How many were is seen in the records, so colons can be counted here, too."""
    one, many = _compile_structs(signature)
    finish = _compile_tensors(signature)
    countable = not any(":" in f.name for f in signature.inputs)

    def decode(body: bytes) -> Decoded | None:
        batch = body[0] == 0x5B
        rows = [_astuple(struct) for struct in (many(body) if batch else [one(body)])]
        colons = sum(len(row) - row.count(msgspec.UNSET) for row in rows)
        if not countable or body.count(b":") != colons:
            return None
        records = [finish(tuple(None if v is msgspec.UNSET else v for v in row)) for row in rows]
        return Decoded(records, batch, _NOTHING_OUTSIDE)

    return decode


def _compile_structs(signature: Signature, array_like: bool = False) -> tuple[Callable[[bytes], Any], ...]:
    fields = [
        (f"f{i}", _msgspec_type(f) | msgspec.UnsetType, msgspec.UNSET) if f.optional else (f"f{i}", _msgspec_type(f))
        for i, f in enumerate(signature.inputs)
    ]
    struct = msgspec.defstruct(
        "Record",
        fields,
        rename={f"f{i}": f.name for i, f in enumerate(signature.inputs)},
        forbid_unknown_fields=True,
        array_like=array_like,
        kw_only=not array_like,  # so that fields without a default may follow those with one
        gc=False,
    )
    return msgspec.json.Decoder(struct).decode, msgspec.json.Decoder(list[struct]).decode  # type: ignore[valid-type]


def _msgspec_type(f: Field) -> Any:
    plain = _TYPES[f.kind](f)
    return plain | None if f.nullable else plain


def _float_type(f: Field) -> Any:
    low = -f.limit if f.low is None else max(-f.limit, f.low)
    high = f.limit if f.high is None else min(f.limit, f.high)
    return Annotated[float, msgspec.Meta(ge=low, le=high)]


_NOTHING = msgspec.Meta(ge=1, le=0)


def _int_type(f: Field) -> Any:
    if f.categories:
        return Literal[f.categories]
    low, high = max(-(2**63), f.int_bounds[0]), min(2**63 - 1, f.int_bounds[1])
    least = low if f.low is None else math.ceil(min(max(low, f.low), high + 1))
    most = high if f.high is None else math.floor(max(min(high, f.high), low - 1))
    return Annotated[int, msgspec.Meta(ge=least, le=most) if least <= most else _NOTHING]


def _string_type(f: Field) -> Any:
    return Literal[tuple(map(str, f.categories))] if f.categories else str


def _tensor_type(f: Field) -> Any:
    leaf: Any = {"string": str, "bool": bool}.get(f.dtype, int if "int" in f.dtype else float)
    for _ in f.shape:
        leaf = list[leaf]
    return leaf


_TYPES: dict[Kind, Callable[[Field], Any]] = {
    Kind.FLOAT: _float_type,
    Kind.INT: _int_type,
    Kind.BOOL: lambda _: bool,
    Kind.STRING: _string_type,
    Kind.TENSOR: _tensor_type,
}


def _compile_tensors(signature: Signature) -> Callable[[Record], Record]:
    """Turn nested lists into arrays of the declared type and shape; nothing to do for tabular records."""
    if not any(f.kind is Kind.TENSOR for f in signature.inputs):
        return lambda record: record
    converters = [_tensor_converter(f) if f.kind is Kind.TENSOR else None for f in signature.inputs]

    def finish(record: Record) -> Record:
        return tuple(v if to is None or v is None else to(v) for to, v in zip(converters, record, strict=True))

    return finish


def _tensor_converter(f: Field) -> Callable[[Any], Any]:
    import numpy as np  # not at the top: a worker whose models are elsewhere does without its 9 MB

    dtype = np.dtype(object if f.dtype == "string" else f.dtype)

    @np.errstate(over="ignore")
    def convert(value: Any) -> Any:
        array = np.array(value, dtype=dtype)  # ValueError where the lists are ragged, OverflowError for 300 in uint8
        if array.ndim != len(f.shape) or any(d not in (None, n) for d, n in zip(f.shape, array.shape, strict=True)):
            raise ValueError("shape")
        if array.dtype.kind == "f" and not np.isfinite(array).all():  # 1e300 in float32, say
            raise ValueError("not finite")
        return array

    return convert


# -- the careful reading -------------------------------------------------------------------------------------------


def _compile_careful(signature: Signature) -> Callable[[bytes], Decoded]:
    example = json.dumps(signature.example(), ensure_ascii=False)
    example = example if len(example) <= 400 else example[:399] + "…"
    finish = _compile_tensors(signature)

    def decode(body: bytes) -> Decoded:
        reading, batch = read_body(signature, parse(body, example))
        if reading.problems:
            raise InvalidInput(reading.problems)
        try:
            return Decoded([finish(record) for record in reading.records], batch, reading.outside)
        except (OverflowError, ValueError):
            _refuse("A tensor holds a number that its type cannot", "tensor_range", "send numbers within the type")

    return decode


_OUTLINE = msgspec.json.Decoder(list[msgspec.Raw])


def opening_depth(body: bytes) -> int:
    """How many lists a body begins with, one in the other; beyond 64 they are not counted."""
    opened = _OPENING.match(body)
    return 0 if opened is None else opened[0].count(b"[")


def is_list_of_bodies(body: bytes, list_depth: int) -> bool:
    """Whether a body holds many. `list_depth`: in how many lists the parts of one lie; many have one more around them."""
    return opening_depth(body) > list_depth


def may_hold_many(body: bytes, list_depth: int) -> bool:
    """Whether a body may be a list of bodies, as far as its first bytes tell: most of those that are large are none."""
    start = body[:_PROBE]
    opened = _OPENING.match(start)
    if opened is None:
        return not start.strip(_SPACE)
    return opened.end() == len(start) or opened[0].count(b"[") > list_depth


_OPENING = re.compile(rb"[ \t\r\n]*+(?:\[[ \t\r\n]*+){1,64}+")


def count_bodies(body: bytes, list_depth: int) -> int:
    """How many bodies a body holds, read from its outline alone: 1 where it is no list, or no JSON."""
    if not is_list_of_bodies(body, list_depth):
        return 1
    if len(body) > _LONG_LIST:
        return sum(rows for rows, _ in cut_list(body))
    try:
        return max(1, len(_OUTLINE.decode(body)))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 1


def parse(body: bytes, example: str) -> Any:
    """Parse strictly: no NaN, no duplicate keys, no deep nesting, UTF-8 alone. Raises MalformedBody."""
    hint = f"send for example {example}"
    if not body.strip(_SPACE):
        _refuse("The body is empty", "empty_body", hint)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        _refuse(f"The body is not valid UTF-8 at byte {error.start}", "invalid_utf8", "encode the JSON as UTF-8")
    if text.startswith("\ufeff"):
        _refuse("The body starts with a byte order mark", "byte_order_mark", "send plain UTF-8, without a mark")
    try:
        return _loads(text)
    except _Constant as error:
        _refuse_constant(text, str(error))
    except _Twice as error:
        _refuse_twice(text, str(error))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        _refuse(f"The body is not valid JSON: {error.msg} at {where}", "json_invalid", _malformed_hint(text, hint))
    except RecursionError:
        _refuse("The JSON is nested too deeply", "json_depth", hint)


def _malformed_hint(text: str, hint: str) -> str:
    start = text.lstrip()[:200]
    if "=" in start and start[:1] not in "{[":
        return f"this looks like a form; {hint}"
    if "'" in start and '"' not in start:
        return f"JSON wants double quotes; {hint}"
    return hint


class _Constant(Exception):
    """The text has a bare NaN or Infinity."""


class _Twice(Exception):
    """A key stands twice in one object."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Constant(name)


class HugeNumber(float):
    """A number beyond 64-bit floats: infinity to whoever computes with it, and what was sent to whoever is told of it."""

    text: str

    def __new__(cls, text: str) -> HugeNumber:
        """From what was sent."""
        number = super().__new__(cls, "-inf" if text.startswith("-") else "inf")
        number.text = text
        return number


def _parse_int(digits: str) -> int | float:
    # int() is quadratic and refuses 4,300 digits; what overflows a float anyway is read as infinity and reported.
    return int(digits) if len(digits) <= 310 else HugeNumber(digits)


def _parse_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else HugeNumber(text)


_loads = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_parse_int, parse_float=_parse_float
).decode


def _refuse_constant(text: str, name: str) -> NoReturn:
    place = find_constant(text)
    where = "" if place is None else f" (at {place.line_and_column})"
    hint = "send null where the field allows it, or leave the record out"
    _refuse(f"{name} is not JSON{where}", "json_constant", hint, ("body",) if place is None else place.loc)


def _refuse_twice(text: str, name: str) -> NoReturn:
    place = find_twice(text)
    where = "" if place is None else f" (again at {place.line_and_column})"
    name = name if place is None else str(place.loc[-1])
    message = f"The key {shorten(name)!r} stands twice in one object{where}"
    _refuse(message, "duplicate_key", "send each key once", ("body",) if place is None else place.loc)


def _refuse(message: str, kind: str, hint: str, loc: Loc = ("body",)) -> NoReturn:
    raise MalformedBody([Problem(loc, message, kind, None, hint)])


# -- answers -------------------------------------------------------------------------------------------------------


def _encode_hook(value: Any) -> Any:
    """NumPy scalars and arrays, and whatever else offers `tolist`, without importing its library."""
    tolist = getattr(value, "tolist", None)
    if tolist is None:
        raise TypeError(f"{type(value).__name__} cannot be written as JSON")
    return tolist()


encode = msgspec.json.Encoder(enc_hook=_encode_hook).encode
"""Any answer to JSON. NaN and infinity become null: the one policy, see `count_non_finite`."""


def _record_hook(value: Any) -> Any:
    """What code gives as a record: Pydantic models, too."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    return _rows_of(value) if hasattr(value, "iloc") and hasattr(value, "columns") else _encode_hook(value)


def _rows_of(frame: Any) -> list[dict[str, Any]]:
    """A DataFrame as a batch of records."""
    from modelport.codecs.answers import series_values

    columns = {str(name): series_values(frame[name]) for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


encode_record = msgspec.json.Encoder(enc_hook=_record_hook).encode
"""A record, or a list of them, that code gives: a dict, a dataclass, a Pydantic model. Raises TypeError for what is no data."""

parse_answer = msgspec.json.Decoder().decode
"""An answer of our own making, as plain values."""

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split_answers(encoded: bytes) -> list[bytes]:
    """The elements of a list answer, each still encoded."""
    return [bytes(part) for part in _split(encoded)]


def count_non_finite(encoded: bytes) -> int:
    """How many values of an encoded answer are null, that is were NaN or infinite when the model gave them."""

    def count(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(count, value.values()))
        return sum(map(count, value)) if isinstance(value, list) else value is None

    return count(msgspec.json.decode(encoded)) if b"null" in encoded else 0


class Encoded(bytes):
    """An answer in which null need not mean that a number was none: the model may have said None.

    `media`: its media type, where that is not JSON.
    """

    non_finite = 0
    media = b""


def encode_failure(failure: Failure) -> bytes:
    """The element of a list answer for a record that failed."""
    return encode({"error": {"code": failure.code, "message": failure.message}})


def encode_problems(problems: list[Problem]) -> bytes:
    """The body of every 4xx and 5xx: FastAPI's shape, plus `hint`. `input` is cut short and always valid JSON."""
    return encode({"detail": [_problem_dict(problem) for problem in problems]})


def _problem_dict(problem: Problem) -> dict[str, Any]:
    loc = [shorten(part) for part in problem.loc]
    body = {"loc": loc, "msg": _printable(problem.message), "type": problem.type, "input": shorten(problem.input)}
    return {**body, "hint": _printable(problem.hint)} if problem.hint else body


def shorten(value: Any, depth: int = 2) -> Any:
    """A small, JSON-safe picture of any value."""
    if isinstance(value, str):
        return _printable(value) if len(value) <= 100 else _printable(value[:99]) + "…"
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return _shorten_number(value)
    if depth == 0:
        return "…"
    if isinstance(value, list):
        return [shorten(v, depth - 1) for v in value[:5]] + (["…"] if len(value) > 5 else [])
    if isinstance(value, dict):
        shown = {shorten(k): shorten(v, depth - 1) for k, v in islice(value.items(), 10)}
        return {**shown, "…": f"{len(value) - 10} more"} if len(value) > 10 else shown
    return shorten(str(value))


def _shorten_number(value: int | float) -> Any:
    """Itself where every JSON parser reads it, else its text."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return value
        if value.bit_length() > 4096:  # writing it out would take long
            return "a very large integer"
    text = value.text if isinstance(value, HugeNumber) else str(value)
    return text if len(text) <= MAX_DIGITS else f"{text[:MAX_DIGITS]}… ({len(text):,} characters)"


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()

"""The careful reading of parsed JSON against a signature: every problem at once, each with a hint.

The codecs read well-formed bodies with a compiled decoder; what that refuses comes here, to be explained or, in the few
cases where the compiled form is stricter than the signature (5.0 for an int, a value outside the training range), accepted.
A property test holds the two together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any

from modelport.errors import Loc, Problem
from modelport.kernel.signature import DOUBLE_LIMIT, Field, Kind, Signature, example_value
from modelport.kernel.values import Record

MAX_PROBLEMS = 100
MAX_CATEGORIES_SHOWN = 10
FLOAT_ENDS = {"float16": 65520.0, "float32": 3.4028235677973366e38}
"""From here on, rounding to the type gives infinity."""

MAX_TEXT = 100
"""Texts longer than this are cut in messages, so that no answer grows with what was sent."""


@dataclass(slots=True)
class Reading:
    """What was read so far: records, faults, and where a value lies outside what the model was trained on."""

    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    outside: list[Loc] = field(default_factory=list)

    def report(self, loc: Loc, message: str, kind: str, value: Any = None, hint: str = "") -> None:
        """Keep a problem, up to a bound: a million wrong records need no million messages."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(loc, message, kind, value, hint))


def read_body(signature: Signature, body: Any) -> tuple[Reading, bool]:
    """Read a whole body: a record or a list of records. Says also whether it was a list."""
    reading = Reading()
    if is_batch(signature, body):
        for index, item in enumerate(body):
            read_record(signature, item, ("body", index), reading)
            if len(reading.problems) >= MAX_PROBLEMS:
                break  # refused already, and the rest may be long
        return reading, True
    read_record(signature, body, ("body",), reading)
    return reading, False


def is_batch(signature: Signature, body: Any) -> bool:
    """A list is a batch, except a flat list for a model without names: that is one record."""
    if not isinstance(body, list):
        return False
    return not (signature.positional and body and not isinstance(body[0], (list, dict)))


def read_record(signature: Signature, value: Any, loc: Loc, reading: Reading) -> None:
    """Read one record, appending it to `reading.records` only if nothing is wrong with it."""
    before = len(reading.problems)
    if isinstance(value, dict):
        values = _read_object(signature, value, loc, reading)
    elif isinstance(value, list) and signature.positional:
        values = _read_flat_list(signature, value, loc, reading)
    else:
        values = []
        _report_not_a_record(signature, value, loc, reading)
    if len(reading.problems) == before:
        reading.records.append(tuple(values))


def _read_object(signature: Signature, value: dict[str, Any], loc: Loc, reading: Reading) -> list[Any]:
    missing = [f for f in signature.inputs if f.name not in value and not f.optional]
    present = sum(f.name in value for f in signature.inputs)
    values = [
        read_value(f, value[f.name], (*loc, f.name), reading) if f.name in value else None for f in signature.inputs
    ]
    if missing or len(value) > present:
        _report_names(signature, value, missing, loc, reading)
    return values


def _report_names(
    signature: Signature, value: dict[str, Any], missing: Sequence[Field], loc: Loc, reading: Reading
) -> None:
    known = frozenset(signature.names)
    unknown = list(islice((name for name in value if name not in known), MAX_PROBLEMS))
    for f in missing[:MAX_PROBLEMS]:
        near = _nearest(f.name, unknown, 0.7)
        hint = f"add {_literal(f.name)}: {_sample(f)}" if near is None else f"rename {near!r} to {_quote(f.name)}"
        reading.report((*loc, f.name), f"Field {_quote(f.name)} is required", "missing", value, hint)
    for name in unknown:
        near = _nearest(name, [f.name for f in missing] or signature.names)
        hint = f"the fields are: {_join(signature.names)}" if near is None else f"did you mean {near!r}?"
        message = f"Field {_quote(name)} is not known to the model"
        reading.report((*loc, name), message, "extra_forbidden", value[name], hint)


def _read_flat_list(signature: Signature, value: list[Any], loc: Loc, reading: Reading) -> list[Any]:
    if len(value) != len(signature.inputs):
        expected = len(signature.inputs)
        message = f"Expected {expected} values, got {len(value)}"
        reading.report(loc, message, "wrong_length", value, f"send {expected} values in the model's order")
        return []
    return [read_value(f, v, (*loc, i), reading) for i, (f, v) in enumerate(zip(signature.inputs, value, strict=True))]


def _report_not_a_record(signature: Signature, value: Any, loc: Loc, reading: Reading) -> None:
    if any(f.kind is Kind.TENSOR for f in signature.inputs):  # whose example may be long
        hint = f"send an object with the fields: {_join(signature.names)}"
    else:
        hint = f"send for example {_literal(signature.example())}"
    if isinstance(value, list):
        message = "A record must be an object with named fields, not a list: this model matches inputs by name"
    else:
        message = f"A record must be a JSON object, not {describe(value)}"
    reading.report(loc, message, "record_type", value, hint)


def read_value(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    """Read one value of a field; reports what is wrong, notes what lies outside the training data."""
    if value is None:
        if not f.nullable:
            what = _WORDS[f.kind]
            hint = f"send {_sample(f)}" if f.kind is Kind.TENSOR else f"send {what}, for example {_sample(f)}"
            reading.report(loc, f"Expected {what}, got null", f"{f.kind}_type", None, hint)
        return None
    return _READERS[f.kind](f, value, loc, reading)


def _read_number(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _report_number(f, value, loc, reading)
    number = _finite(value, f.limit)
    if number is None:
        reading.report(loc, _too_large(f, value), "finite_number", value, _range_hint(f))
        return None
    if f.kind is Kind.INT:
        return _read_whole(f, value, number, loc, reading)
    return _place(f, number, loc, reading)


def _read_whole(f: Field, value: int | float, number: float, loc: Loc, reading: Reading) -> Any:
    if not number.is_integer():
        hint = "round it, or widen the field to float in the model's TOML file"
        return reading.report(loc, f"Expected a whole number, got {value}", "int_from_float", value, hint)
    low, high = f.int_bounds
    if not low <= int(value) <= high:
        message = f"The number is too large: the model takes whole numbers from {low:,} to {high:,} here"
        return reading.report(loc, message, "int_size", value, _range_hint(f))
    return _place(f, int(value), loc, reading)


def _place(f: Field, value: int | float, loc: Loc, reading: Reading) -> Any:
    if f.categories:
        return _read_category(f, value, loc, reading)
    if (f.low is not None and value < f.low) or (f.high is not None and value > f.high):
        reading.outside.append(loc)
    return value


def _too_large(f: Field, value: int | float) -> str:
    if value != value:
        return "NaN is not a number that a model can be asked"
    if f.kind is Kind.INT:
        low, high = f.int_bounds
        return f"The number is too large: the model takes whole numbers from {low:,} to {high:,} here"
    bits = 64 if f.limit == DOUBLE_LIMIT else 32
    return f"The number is too large: the model computes in {bits}-bit floats, which end at {f.limit:.2g}"


def _finite(value: int | float, limit: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) <= limit else None  # false for NaN, too


def _report_number(f: Field, value: Any, loc: Loc, reading: Reading) -> None:
    hint = _range_hint(f)
    if isinstance(value, str):
        hint = f"remove the quotes: send {value.strip()}" if _is_numeric_text(value) else hint
    if isinstance(value, bool):
        hint = "booleans are no numbers: send 1 or 0 if that is meant"
    reading.report(loc, f"Expected {_WORDS[f.kind]}, got {describe(value)}", f"{f.kind}_type", value, hint)


def _is_numeric_text(text: str) -> bool:
    try:
        return len(text) <= MAX_TEXT and math.isfinite(float(text))
    except ValueError:
        return False


def _range_hint(f: Field) -> str:
    if f.low is not None and f.high is not None:
        return f"a number, in the training data from {f.low:g} to {f.high:g}"
    return f"a number, for example {_sample(f)}"


def _read_bool(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if isinstance(value, bool):
        return value
    return reading.report(
        loc, f"Expected true or false, got {describe(value)}", "bool_type", value, "send true or false"
    )


def _read_string(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if not isinstance(value, str):
        hint = f"one of {_join(f.categories)}" if f.categories else f"send a string, for example {_sample(f)}"
        return reading.report(loc, f"Expected a string, got {describe(value)}", "string_type", value, hint)
    if not _is_encodable(value):
        return reading.report(loc, _HALF_PAIR, "string_unicode", None, "send valid Unicode")
    return _read_category(f, value, loc, reading)


def _read_category(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if not f.categories or value in f.categories:
        return value
    if not f.closed:
        reading.outside.append(loc)
        return value
    near = _nearest(str(value), [str(c) for c in f.categories])
    hint = f"one of {_join(f.categories)}" if near is None else f"did you mean {near!r}? one of {_join(f.categories)}"
    return reading.report(loc, f"{value!r:.80} is not a category the model knows", "enum", value, hint)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_tensor(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    fault = _tensor_fault(value, _extents(value, f.shape), f.dtype, ())
    if fault is None:
        return value
    index, message = fault
    return reading.report((*loc, *index), message, "tensor_shape", None, f"send {_sample(f)}")


def _extents(value: Any, shape: Sequence[int | None]) -> list[int | None]:
    """The shape, its free dimensions set to what the first list on their axis has: all others must have as many."""
    extents = []
    for size in shape:
        is_list = isinstance(value, list)
        extents.append(len(value) if is_list and size is None else size)
        value = value[0] if is_list and value else None
    return extents


def _tensor_fault(value: Any, shape: Sequence[int | None], dtype: str, at: Loc) -> tuple[Loc, str] | None:
    if not shape:
        return _leaf_fault(value, dtype, at)
    if not isinstance(value, list):
        return at, f"Expected a list on axis {len(at)}, got {describe(value)}"
    if shape[0] is not None and len(value) != shape[0]:
        return at, f"Expected {shape[0]} elements on axis {len(at)}, got {len(value)}"
    if len(shape) > 1 and not value:
        return at, f"Expected at least one element on axis {len(at)}"
    faults = (_tensor_fault(item, shape[1:], dtype, (*at, i)) for i, item in enumerate(value))
    return next((fault for fault in faults if fault is not None), None)


def _leaf_fault(value: Any, dtype: str, at: Loc) -> tuple[Loc, str] | None:
    if not _is_leaf(value, dtype):
        return at, f"Expected {dtype}, got {describe(value)}"
    if dtype == "string":
        return None if _is_encodable(value) else (at, _HALF_PAIR)
    return None if dtype == "bool" or _fits(value, dtype) else (at, f"The number does not fit {dtype}")


def _is_leaf(value: Any, dtype: str) -> bool:
    if dtype in _LEAF_TYPES:
        return isinstance(value, _LEAF_TYPES[dtype])
    if isinstance(value, float):
        return "int" not in dtype or value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


_LEAF_TYPES: dict[str, type] = {"string": str, "bool": bool}


def _fits(value: int | float, dtype: str) -> bool:
    if "int" in dtype:
        low, high = Field("", dtype=dtype).int_bounds
        return low <= value <= high
    try:
        return abs(float(value)) < FLOAT_ENDS.get(dtype, math.inf)
    except OverflowError:
        return False


_READERS: dict[Kind, Callable[[Field, Any, Loc, Reading], Any]] = {
    Kind.FLOAT: _read_number,
    Kind.INT: _read_number,
    Kind.BOOL: _read_bool,
    Kind.STRING: _read_string,
    Kind.TENSOR: _read_tensor,
}


# -- words ---------------------------------------------------------------------------------------------------------

_WORDS = {
    Kind.FLOAT: "a number",
    Kind.INT: "a whole number",
    Kind.BOOL: "true or false",
    Kind.STRING: "a string",
    Kind.TENSOR: "nested lists",
}
_JSON_WORDS = {"str": "a string", "list": "a list", "dict": "an object"}
_HALF_PAIR = "The string holds half a surrogate pair"


def describe(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return _JSON_WORDS.get(type(value).__name__, type(value).__name__)


def _nearest(word: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The known word most like this one. Long words are not compared: that takes time, and nobody misspells them."""
    if len(word) > MAX_TEXT:
        return None
    near = get_close_matches(word, [k for k in known if len(k) <= MAX_TEXT], 1, cutoff)
    return near[0] if near else None


def _sample(f: Field) -> str:
    """What could stand in a field, for a hint. A tensor is told by its shape: its example may be long."""
    if f.kind is not Kind.TENSOR:
        return _literal(example_value(f))
    shape = " × ".join("any" if d is None else str(d) for d in f.shape)
    return f"nested lists of shape {shape} ({f.dtype})" if shape else f"a single value ({f.dtype})"


def _literal(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), 400)


def _quote(name: str) -> str:
    return repr(_cut(name, MAX_TEXT))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _join(values: Sequence[Any]) -> str:
    shown = ", ".join(_cut(str(value), MAX_TEXT) for value in values[:MAX_CATEGORIES_SHOWN])
    more = f", … ({len(values)} in all)" if len(values) > MAX_CATEGORIES_SHOWN else ""
    return _cut(shown, 400) + more

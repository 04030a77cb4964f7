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
from typing import Any

from modelport.kernel.signature import FLOAT_LIMIT, Field, Kind, Signature, example_value
from modelport.kernel.values import Loc, Problem, Record

MAX_PROBLEMS = 100
MAX_CATEGORIES_SHOWN = 10


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
    if len(reading.problems) == before < MAX_PROBLEMS:
        reading.records.append(tuple(values))


def _read_object(signature: Signature, value: dict[str, Any], loc: Loc, reading: Reading) -> list[Any]:
    missing = [f for f in signature.inputs if f.name not in value]
    unknown = [name for name in value if name not in signature.names]
    present = [f for f in signature.inputs if f.name in value]
    values = [read_value(f, value[f.name], (*loc, f.name), reading) for f in present]
    for f in missing:
        near = get_close_matches(f.name, unknown, 1, 0.7)
        hint = f"rename {near[0]!r} to {f.name!r}" if near else f'add "{f.name}": {_literal(example_value(f))}'
        reading.report((*loc, f.name), f"Field {f.name!r} is required", "missing", value, hint)
    for name in unknown:
        near = get_close_matches(name, [f.name for f in missing] or signature.names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the fields are: {_join(signature.names)}"
        reading.report((*loc, name), f"Field {name!r} is not known to the model", "extra_forbidden", value[name], hint)
    return values


def _read_flat_list(signature: Signature, value: list[Any], loc: Loc, reading: Reading) -> list[Any]:
    if len(value) != len(signature.inputs):
        expected = len(signature.inputs)
        message = f"Expected {expected} numbers, got {len(value)}"
        reading.report(loc, message, "wrong_length", value, f"send {expected} values in the model's order")
        return []
    return [read_value(f, v, (*loc, i), reading) for i, (f, v) in enumerate(zip(signature.inputs, value, strict=True))]


def _report_not_a_record(signature: Signature, value: Any, loc: Loc, reading: Reading) -> None:
    example = _literal(signature.example())
    if isinstance(value, list):
        message = "A record must be an object with named fields, not a list: this model matches inputs by name"
    else:
        message = f"A record must be a JSON object, not {describe(value)}"
    reading.report(loc, message, "record_type", value, f"send for example {example}")


def read_value(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    """Read one value of a field; reports what is wrong, notes what lies outside the training data."""
    if value is None:
        if not f.nullable:
            hint = f"send a {f.kind}, for example {_literal(example_value(f))}"
            reading.report(loc, f"Expected a {f.kind}, got null", f"{f.kind}_type", None, hint)
        return None
    return _READERS[f.kind](f, value, loc, reading)


def _read_number(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _report_number(f, value, loc, reading)
    number = _finite(value)
    if number is None:
        reading.report(loc, "The number is too large or not finite", "finite_number", str(value)[:40], _range_hint(f))
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
        return reading.report(loc, "The number is too large", "int_size", str(value)[:40], _range_hint(f))
    return _place(f, int(value), loc, reading)


def _place(f: Field, value: int | float, loc: Loc, reading: Reading) -> Any:
    if f.categories:
        return _read_category(f, value, loc, reading)
    if (f.low is not None and value < f.low) or (f.high is not None and value > f.high):
        reading.outside.append(loc)
    return value


def _finite(value: int | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) <= FLOAT_LIMIT else None  # false for NaN, too


def _report_number(f: Field, value: Any, loc: Loc, reading: Reading) -> None:
    hint = _range_hint(f)
    if isinstance(value, str):
        hint = f"remove the quotes: send {value.strip()}" if _is_numeric_text(value) else hint
    if isinstance(value, bool):
        hint = "booleans are no numbers: send 1 or 0 if that is meant"
    what = "a whole number" if f.kind is Kind.INT else "a number"
    reading.report(loc, f"Expected {what}, got {describe(value)}", f"{f.kind}_type", value, hint)


def _is_numeric_text(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _range_hint(f: Field) -> str:
    if f.low is not None and f.high is not None:
        return f"a number, in the training data from {f.low:g} to {f.high:g}"
    return f"a number, for example {_literal(example_value(f))}"


def _read_bool(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if isinstance(value, bool):
        return value
    return reading.report(
        loc, f"Expected true or false, got {describe(value)}", "bool_type", value, "send true or false"
    )


def _read_string(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if not isinstance(value, str):
        hint = (
            f"one of {_join(f.categories)}"
            if f.categories
            else f"send a string, for example {_literal(example_value(f))}"
        )
        return reading.report(loc, f"Expected a string, got {describe(value)}", "string_type", value, hint)
    if not _is_encodable(value):
        return reading.report(
            loc, "The string holds half a surrogate pair", "string_unicode", None, "send valid Unicode"
        )
    return _read_category(f, value, loc, reading)


def _read_category(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    if not f.categories or value in f.categories:
        return value
    if not f.closed:
        reading.outside.append(loc)
        return value
    near = get_close_matches(str(value), [str(c) for c in f.categories], 1)
    hint = (f"did you mean {near[0]!r}? " if near else "") + f"one of {_join(f.categories)}"
    return reading.report(loc, f"{value!r:.80} is not a category the model knows", "enum", value, hint)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_tensor(f: Field, value: Any, loc: Loc, reading: Reading) -> Any:
    fault = _tensor_fault(value, f.shape, f.dtype, ())
    if fault is None:
        return value
    index, message = fault
    shape = " × ".join("any" if d is None else str(d) for d in f.shape) or "a single value"
    return reading.report(
        (*loc, *index), message, "tensor_shape", None, f"send nested lists of shape {shape} ({f.dtype})"
    )


def _tensor_fault(value: Any, shape: Sequence[int | None], dtype: str, at: Loc) -> tuple[Loc, str] | None:
    if not shape:
        return None if _TENSOR_LEAF.get(dtype, _is_number)(value) else (at, f"Expected {dtype}, got {describe(value)}")
    if not isinstance(value, list):
        return at, f"Expected a list on axis {len(at)}, got {describe(value)}"
    if shape[0] is not None and len(value) != shape[0]:
        return at, f"Expected {shape[0]} elements on axis {len(at)}, got {len(value)}"
    if len(shape) > 1 and len({len(v) if isinstance(v, list) else -1 for v in value}) > 1:
        return at, f"The lists on axis {len(at) + 1} have different lengths"
    faults = (_tensor_fault(item, shape[1:], dtype, (*at, i)) for i, item in enumerate(value))
    return next((fault for fault in faults if fault is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value) is not None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TENSOR_LEAF: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str) and _is_encodable(value),
    "bool": lambda value: isinstance(value, bool),
    **{f"{sign}int{bits}": _is_int for sign in ("", "u") for bits in (8, 16, 32, 64)},
}

_READERS: dict[Kind, Callable[[Field, Any, Loc, Reading], Any]] = {
    Kind.FLOAT: _read_number,
    Kind.INT: _read_number,
    Kind.BOOL: _read_bool,
    Kind.STRING: _read_string,
    Kind.TENSOR: _read_tensor,
}


_JSON_WORDS = {"str": "a string", "list": "a list", "dict": "an object"}


def describe(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return _JSON_WORDS.get(type(value).__name__, type(value).__name__)


def _literal(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:397] + "…"


def _join(values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values[:MAX_CATEGORIES_SHOWN]))
    return shown + (f", … ({len(values)} in all)" if len(values) > MAX_CATEGORIES_SHOWN else "")

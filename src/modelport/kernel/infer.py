"""From what the artifact says and what the training sample shows to a signature, with the reason for each guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from modelport.errors import SignatureError
from modelport.kernel.check import Reading, read_value
from modelport.kernel.ports import Hints
from modelport.kernel.profile import Column
from modelport.kernel.signature import NUMERIC, Field, Kind, Signature


def positional_names(count: int) -> tuple[str, ...]:
    """Names for inputs that have none: x0, x1, …"""
    return tuple(f"x{i}" for i in range(count))


def name_inputs(count: int, hints: Hints) -> tuple[tuple[str, ...], bool, str]:
    """Names for `count` unnamed inputs, whether they stay positional, and the reason.

    `features` decide; else the columns of the sample that are left without the target, if there are as many as inputs.
    Raises SignatureError where a choice would be a guess.
    """
    if hints.features:
        return _named_by_user(count, hints), False, f"named by {hints.named_by}, in this order"
    if not hints.columns:
        known = tuple(f.name for f in hints.known)
        if len(known) == count and known != positional_names(count):
            return known, False, "named when the bundle was built"
        return positional_names(count), True, "the model stores no names"
    left = [name for name in hints.columns if name != hints.target]
    if len(left) == count:
        return tuple(left), False, "named by the columns of the data, in file order"
    if len(left) < count:
        raise SignatureError(
            f"the model takes {count} inputs but the data has only {len(left)} columns"
            f"{f' besides the target {hints.target!r}' if hints.target else ''}: {', '.join(left)}"
        )
    raise SignatureError(_ask_for_features(count, left, hints))


def _named_by_user(count: int, hints: Hints) -> tuple[str, ...]:
    if len(hints.features) != count:
        raise SignatureError(f"the model takes {count} inputs but {hints.named_by} names {len(hints.features)}")
    if len(set(hints.features)) != count:
        raise SignatureError(f"{hints.named_by} names a column twice")
    missing = [name for name in hints.features if hints.columns and name not in hints.columns]
    if missing:
        near = get_close_matches(missing[0], list(hints.columns), 1)
        raise SignatureError(
            f"{hints.named_by} names {missing[0]!r}, which is no column of the data"
            + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(hints.columns)}")
        )
    return hints.features


def _ask_for_features(count: int, left: Sequence[str], hints: Hints) -> str:
    numeric = [name for name in left if hints.columns[name].kind in NUMERIC]
    guess = (numeric if len(numeric) >= count else left)[-count:]
    target = "" if hints.target else " (name the label with --target, too)"
    return (
        f"the model takes {count} inputs and stores no names, and the data has {len(left)} candidate columns: "
        f"{', '.join(left)}. Say which, in training order{target}, for example  --features {','.join(guess)}"
    )


def refine(fields: Sequence[Field], hints: Hints) -> tuple[Field, ...]:
    """Each field with what the column of its name adds (type, range, categories, gaps, an example), then as corrected."""
    columns = hints.columns
    refined = [_refine_field(f, columns[f.name]) if f.name in columns else f for f in fields]
    known = {f.name: f for f in hints.known}
    return tuple(known.get(f.name) or _correct(f, hints.corrections.get(f.name, {})) for f in refined)


def _refine_field(f: Field, column: Column) -> Field:
    if f.kind is Kind.TENSOR:
        return f
    if not f.guessed and f.kind in NUMERIC and column.kind is Kind.STRING:
        return f.because("the data holds text here, but the model takes numbers: the column is not used")
    f = _refine_type(f, column)
    f = _refine_values(f, column)
    if column.nulls and not f.nullable:
        f = f.because(f"null allowed: {column.nulls:,} of {column.rows:,} rows have a gap", nullable=True)
    if column.example is not None and _fits(f, column):
        f = replace(f, example=column.example)
    return f


def _refine_type(f: Field, column: Column) -> Field:
    if column.kind is f.kind or not column.rows - column.nulls:
        return f
    if f.guessed:
        return f.because(f"{column.kind}: the data's column holds {column.kind} values", kind=column.kind)
    if f.kind is Kind.FLOAT and column.kind is Kind.INT and not f.categories:
        return f.because("int: every value in the data is a whole number", kind=Kind.INT)
    if f.kind in NUMERIC and column.kind is Kind.BOOL and not f.categories:
        return f.because("bool: every value in the data is true or false", kind=Kind.BOOL, low=None, high=None)
    return f


def _refine_values(f: Field, column: Column) -> Field:
    low, high = column.low, column.high
    if low is not None and high is not None and f.kind in NUMERIC and f.low is None and not f.categories:
        if _holds(f, low) and _holds(f, high):
            return f.because(f"range {low:g} to {high:g} seen in the data", low=low, high=high)
        return f.because("the data holds numbers that the model's own type does not: its range is not used")
    if column.categories and f.kind is Kind.STRING and not f.categories and f.dtype != "text":
        return f.because(f"{len(column.categories)} categories seen in the data", categories=column.categories)
    return f


def _holds(f: Field, value: float) -> bool:
    least, greatest = f.int_bounds if f.kind is Kind.INT else (-f.limit, f.limit)
    return least <= value <= greatest


def _fits(f: Field, column: Column) -> bool:
    if f.closed and column.example not in f.categories:
        return False
    return not _fault(f, column.example)


def _fault(f: Field, value: Any) -> str:
    """What is wrong with a value for a field, or nothing."""
    reading = Reading()
    read_value(f, value, (), reading)
    return reading.problems[0].message if reading.problems else ""


def ignored_columns(signature: Signature, hints: Hints) -> list[str]:
    """Columns of the sample that the model does not know, the target left out."""
    known = {*signature.names, hints.target}
    return [name for name in hints.columns if name not in known]


def missing_columns(signature: Signature, hints: Hints) -> list[str]:
    """Inputs of the model that the sample has no column for."""
    return [name for name in signature.names if hints.columns and name not in hints.columns]


# -- the user's own word, from the TOML file beside the model --------------------------------------------------------

_TENSOR_KEYS = ("shape", "dtype", "example", "description")
_DTYPES = (
    "float16",
    "float32",
    "float64",
    "bool",
    "string",
    *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64)),
)


def _correct(f: Field, table: Mapping[str, Any]) -> Field:
    if not table:
        return f
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _known_keys(f.kind):
            raise _wrong(f, f"{key} says nothing about a {f.kind}; known are {', '.join(_known_keys(f.kind))}")
        changes |= _CORRECTIONS[key](f, value)
    if changes.get("kind", f.kind) is not f.kind:
        changes = {"low": None, "high": None, "categories": (), "closed": False, **changes}
    corrected = f.because(f"{', '.join(table)} set in the TOML file beside the model", **changes)
    _check_corrected(corrected, table)
    if not corrected.nullable:
        corrected = replace(corrected, optional=False)
    return corrected if "example" in table or not _example_fault(corrected) else replace(corrected, example=None)


def _known_keys(kind: Kind) -> Sequence[str]:
    return _TENSOR_KEYS if kind is Kind.TENSOR else [key for key in _CORRECTIONS if key not in ("shape", "dtype")]


def _check_corrected(f: Field, table: Mapping[str, Any]) -> None:
    if f.closed and not f.categories:
        raise _wrong(f, "closed wants categories, too")
    if "range" in table and f.kind not in NUMERIC:
        raise _wrong(f, f"range says nothing about a {f.kind}")
    if "categories" in table:
        plain = replace(f, categories=(), closed=False)
        wrong = next((c for c in f.categories if _fault(plain, c)), None)
        if wrong is not None or f.kind is Kind.BOOL:
            raise _wrong(f, f"{wrong!r} is no category of a {f.kind}" if wrong is not None else "a bool has none")
    if "example" in table and (fault := _example_fault(f)):
        raise _wrong(f, f"the example does not fit: {fault}")


def _example_fault(f: Field) -> str:
    return "" if f.example is None else _fault(f, f.example)


def _wrong(f: Field, message: str) -> SignatureError:
    return SignatureError(f"[fields.{f.name}]: {message}")


def _correct_type(f: Field, value: Any) -> dict[str, Any]:
    kinds = [kind for kind in Kind if kind is not Kind.TENSOR]
    if value not in kinds:
        raise _wrong(f, f"type wants one of {', '.join(kinds)}, not {value!r}")
    return {"kind": Kind(value), "guessed": False}


def _correct_range(f: Field, value: Any) -> dict[str, Any]:
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)):
        raise _wrong(f, "range wants two numbers, [low, high]")
    if not value[0] <= value[1]:
        raise _wrong(f, f"range wants the lower number first, not {value}")
    return {"low": value[0], "high": value[1]}


def _correct_categories(f: Field, value: Any) -> dict[str, Any]:
    if not isinstance(value, list) or not value:
        raise _wrong(f, "categories wants a list")
    return {"categories": tuple(value)}


def _correct_shape(f: Field, value: Any) -> dict[str, Any]:
    """-1 stands for an axis of any length. What the artifact says of its axes cannot be changed, only fixed."""
    if not (isinstance(value, list) and all(type(d) is int and (d > 0 or d == -1) for d in value)):
        raise _wrong(f, "shape wants a list of lengths, such as [3, 224, 224], with -1 for an axis of any length")
    shape = tuple(None if d == -1 else d for d in value)
    same = len(shape) == len(f.shape) and all(old in (None, new) for old, new in zip(f.shape, shape, strict=True))
    if not (f.guessed or same):
        raise _wrong(f, f"the model's own shape is {[-1 if d is None else d for d in f.shape]}, not {value}")
    return {"shape": shape, "guessed": False}


def _correct_dtype(f: Field, value: Any) -> dict[str, Any]:
    if value not in _DTYPES:
        raise _wrong(f, f"dtype wants one of {', '.join(_DTYPES)}, not {value!r}")
    if not f.guessed and value != f.dtype:
        raise _wrong(f, f"the model's own dtype is {f.dtype}, not {value}")
    return {"dtype": value}


def _plain(key: str, kind: type, wanted: str) -> Callable[[Field, Any], dict[str, Any]]:
    def correct(f: Field, value: Any) -> dict[str, Any]:
        if not isinstance(value, kind):
            raise _wrong(f, f"{key} wants {wanted}, not {value!r}")
        return {key: value}

    return correct


_CORRECTIONS: dict[str, Callable[[Field, Any], dict[str, Any]]] = {
    "type": _correct_type,
    "nullable": _plain("nullable", bool, "true or false"),
    "range": _correct_range,
    "categories": _correct_categories,
    "closed": _plain("closed", bool, "true or false"),
    "shape": _correct_shape,
    "dtype": _correct_dtype,
    "example": _plain("example", object, "a value"),
    "description": _plain("description", str, "a text"),
}


def check_corrections(signature: Signature, hints: Hints) -> None:
    """Raises SignatureError where the TOML file corrects a field that the model does not have."""
    for name in hints.corrections:
        if name not in signature.names:
            near = get_close_matches(name, signature.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(signature.names)}"
            raise SignatureError(f"[fields.{name}]: the model has no input of this name; {hint}")

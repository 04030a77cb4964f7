"""From what the artifact says and what the training sample shows to a signature, with the reason for each guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from modelport.errors import SignatureError
from modelport.kernel.ports import Hints
from modelport.kernel.profile import Column
from modelport.kernel.signature import NUMERIC, Field, Kind, Signature


def positional_names(count: int) -> tuple[str, ...]:
    """Names for inputs that have none: x0, x1, …"""
    return tuple(f"x{i}" for i in range(count))


def name_inputs(count: int, hints: Hints) -> tuple[tuple[str, ...], bool, str]:
    """Names for `count` unnamed inputs, whether they stay positional, and the reason.

    `--features` decides; else the columns of the sample that are left without the target, if there are as many as inputs.
    Raises SignatureError where a choice would be a guess.
    """
    if hints.features:
        return _named_by_user(count, hints), False, "named by --features, in this order"
    if not hints.columns:
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
        raise SignatureError(f"the model takes {count} inputs but --features names {len(hints.features)}")
    if len(set(hints.features)) != count:
        raise SignatureError("--features names a column twice")
    missing = [name for name in hints.features if hints.columns and name not in hints.columns]
    if missing:
        near = get_close_matches(missing[0], list(hints.columns), 1)
        raise SignatureError(
            f"--features names {missing[0]!r}, which is no column of the data"
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
    return tuple(_correct(f, hints.corrections.get(f.name, {})) for f in refined)


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
    if f.kind is Kind.FLOAT and column.kind is Kind.INT:
        return f.because("int: every value in the data is a whole number", kind=Kind.INT)
    if f.guessed and column.kind is not f.kind:
        return f.because(f"{column.kind}: the data's column holds {column.kind} values", kind=column.kind)
    return f


def _refine_values(f: Field, column: Column) -> Field:
    if column.low is not None and f.kind in NUMERIC and f.low is None:
        return f.because(f"range {column.low:g} to {column.high:g} seen in the data", low=column.low, high=column.high)
    if column.categories and f.kind is Kind.STRING and not f.categories:
        return f.because(f"{len(column.categories)} categories seen in the data", categories=column.categories)
    return f


def _fits(f: Field, column: Column) -> bool:
    if f.closed and column.example not in f.categories:
        return False
    return f.kind is column.kind or {f.kind, column.kind} <= NUMERIC


def ignored_columns(signature: Signature, hints: Hints) -> list[str]:
    """Columns of the sample that the model does not know, the target left out."""
    known = {*signature.names, hints.target}
    return [name for name in hints.columns if name not in known]


def missing_columns(signature: Signature, hints: Hints) -> list[str]:
    """Inputs of the model that the sample has no column for."""
    return [name for name in signature.names if hints.columns and name not in hints.columns]


def _correct(f: Field, table: Mapping[str, Any]) -> Field:
    """The user's own word, from the TOML file beside the model."""
    if not table:
        return f
    changes: dict[str, Any] = {
        key: table[key] for key in ("nullable", "closed", "example", "description") if key in table
    }
    if "type" in table:
        changes |= {"kind": _kind(table["type"], f.name), "guessed": False}
    if "range" in table:
        changes |= dict(zip(("low", "high"), _range(table["range"], f.name), strict=True))
    if "categories" in table:
        if not isinstance(table["categories"], list) or not table["categories"]:
            raise SignatureError(f"[fields.{f.name}]: categories wants a list")
        changes["categories"] = tuple(table["categories"])
    return f.because(f"{', '.join(table)} set in the TOML file beside the model", **changes)


def _kind(value: Any, name: str) -> Kind:
    kinds = [kind for kind in Kind if kind is not Kind.TENSOR]
    if value not in kinds:
        raise SignatureError(f"[fields.{name}]: type wants one of {', '.join(kinds)}, not {value!r}")
    return Kind(value)


def _range(value: Any, name: str) -> tuple[float, float]:
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)):
        raise SignatureError(f"[fields.{name}]: range wants two numbers, [low, high]")
    return value[0], value[1]


def check_corrections(signature: Signature, hints: Hints) -> None:
    """Raises SignatureError where the TOML file corrects a field that the model does not have."""
    for name in hints.corrections:
        if name not in signature.names:
            near = get_close_matches(name, signature.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(signature.names)}"
            raise SignatureError(f"[fields.{name}]: the model has no input of this name; {hint}")

"""The signature: the ordered, named, typed inputs and outputs of a model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The type of one input field."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    STRING = "string"
    TENSOR = "tensor"


FLOAT_LIMIT = 3.4028234e38
"""Most models compute in 32-bit floats at some point; what does not fit there would become infinity inside the model."""

DOUBLE_LIMIT = 1.7976931348623157e308
"""The limit of models that compute in 64-bit floats from end to end."""

NUMERIC = frozenset({Kind.FLOAT, Kind.INT})


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `low` and `high` are the training range: values outside are answered and flagged, not refused.

    `closed` says that the model cannot answer a category it has not seen; only then is an unseen one refused.
    `guessed` says that the artifact does not tell the type, so the data may.
    `optional` says that callers may leave it out, and that the model is then given a gap; such a field is nullable, too.
    `limit` is the greatest number, of either sign, that the floats hold which the model computes in.
    `shape` and `dtype` are for tensors: the shape of one record, None for a free dimension.
    """

    name: str
    kind: Kind = Kind.FLOAT
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    categories: tuple[Any, ...] = ()
    closed: bool = False
    guessed: bool = False
    optional: bool = False
    limit: float = FLOAT_LIMIT
    shape: tuple[int | None, ...] = ()
    dtype: str = ""
    example: Any = None
    description: str = ""
    reasons: tuple[str, ...] = ()

    def because(self, reason: str, **changes: Any) -> Field:
        """The same field with some attributes changed, and the reason kept for `modelport inspect`."""
        return replace(self, reasons=(*self.reasons, reason), **changes)

    @property
    def int_bounds(self) -> tuple[int, int]:
        """The least and the greatest whole number that the model's own type holds."""
        if not self.dtype.lstrip("u").startswith("int"):
            return -(2**63), 2**63 - 1
        bits = int(self.dtype.rpartition("int")[2])
        return (0, 2**bits - 1) if self.dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class Task(StrEnum):
    """What kind of answer the model gives."""

    CLASSIFY = "classification"
    REGRESS = "regression"
    CLUSTER = "clustering"
    OUTLIERS = "outlier detection"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class Output:
    """One named output. `classes` is empty unless it is a classification with known classes."""

    name: str
    kind: Kind = Kind.FLOAT
    classes: tuple[Any, ...] = ()
    probabilities: bool = False
    shape: tuple[int | None, ...] = ()
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs. `positional` holds where the model has no names: then a flat list is a record, too."""

    task: Task
    inputs: tuple[Field, ...]
    outputs: tuple[Output, ...]
    positional: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, in the model's order."""
        return tuple(f.name for f in self.inputs)

    def example(self) -> dict[str, Any]:
        """A body that this signature accepts."""
        return {f.name: example_value(f) for f in self.inputs if not f.optional}


def example_value(f: Field) -> Any:
    """A value that fits the field: its own example, else one made from its range or categories."""
    if f.example is not None:
        return f.example
    if f.categories:
        return f.categories[0]
    if f.kind is Kind.TENSOR:
        return _zeros(tuple(1 if d is None else d for d in f.shape), f.dtype)
    if f.kind in NUMERIC:
        middle = ((f.low or 0.0) + (f.high or 0.0)) / 2
        return round(middle) if f.kind is Kind.INT else float(middle)
    return {Kind.BOOL: True, Kind.STRING: "text"}[f.kind]


def _zeros(shape: tuple[int, ...], dtype: str) -> Any:
    if not shape:
        return {"string": "text", "bool": False}.get(dtype, 0 if "int" in dtype else 0.0)
    return [_zeros(shape[1:], dtype) for _ in range(shape[0])]

"""What loaders of tabular models share: records to arrays and frames, and class answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelport.kernel.infer import name_inputs
from modelport.kernel.ports import Hints
from modelport.kernel.signature import Field, Kind
from modelport.kernel.values import Record


def named_fields(
    names: Sequence[str] | None, count: int | None, hints: Hints, **attributes: Any
) -> tuple[list[Field], bool]:
    """Numeric fields for a model that stores its names, its number of inputs, or neither. Says also whether positional."""
    if names is not None:
        return [Field(name, reasons=("named in the artifact",), **attributes) for name in names], False
    chosen, positional, reason = name_inputs(count or len(hints.features) or _columns_left(hints), hints)
    return [Field(name, reasons=(reason,), **attributes) for name in chosen], positional


def _columns_left(hints: Hints) -> int:
    return len([name for name in hints.columns if name != hints.target])


def to_array(records: Sequence[Record], dtype: Any = np.float64) -> np.ndarray[Any, Any]:
    """Records to a two-dimensional array; null becomes NaN."""
    return np.array(records, dtype=dtype)


def to_frame(records: Sequence[Record], fields: Sequence[Field]) -> Any:
    """Records to a pandas DataFrame with the columns and dtypes that training had."""
    import pandas

    columns = zip(*records, strict=True)
    return pandas.DataFrame({f.name: _column(f, values) for f, values in zip(fields, columns, strict=True)})


def _column(f: Field, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    if f.kind is Kind.STRING or (f.kind is Kind.BOOL and None in values):
        return np.array([np.nan if v is None else v for v in values], dtype=object)
    if f.kind is Kind.BOOL:
        return np.array(values, dtype=bool)
    return np.array(values, dtype=np.int64 if f.kind is Kind.INT and None not in values else np.float64)


def class_answers(labels: Sequence[Any], classes: Sequence[Any], probabilities: Sequence[Sequence[float]]) -> list[Any]:
    """The answer of a classifier that gives probabilities; keys are the classes as strings."""
    keys = [str(c) for c in classes]
    return [
        {"prediction": label, "probabilities": dict(zip(keys, row, strict=True))}
        for label, row in zip(labels, probabilities, strict=True)
    ]


def value_answers(values: np.ndarray[Any, Any]) -> list[Any]:
    """The answer of anything else: one value, or y0, y1, … where the model has several outputs."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        return [{"prediction": value} for value in values.tolist()]
    names = [f"y{i}" for i in range(values.shape[1])]
    return [{"prediction": dict(zip(names, row, strict=True))} for row in values.tolist()]


def kind_of(values: Any) -> Kind:
    """The field kind of a NumPy array's values."""
    kind = np.asarray(values).dtype.kind
    return {"i": Kind.INT, "u": Kind.INT, "f": Kind.FLOAT, "b": Kind.BOOL}.get(kind, Kind.STRING)

"""What loaders of tabular models share: names for inputs, records to arrays and frames, scores to answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from modelport.errors import SignatureError
from modelport.kernel.infer import name_inputs
from modelport.kernel.ports import Hints
from modelport.kernel.signature import Field, Kind, Output, Task, example_value
from modelport.kernel.values import Record

Array = np.ndarray[Any, Any]
Outputs = tuple[Task, tuple[Output, ...], Callable[[Any], list[Any]]]
"""What a model answers: its task, its outputs, and the function from what the library gives to answers."""


# -- inputs --------------------------------------------------------------------------------------------------------


def named_fields(
    names: Sequence[str] | None, count: int | None, hints: Hints, **attributes: Any
) -> tuple[list[Field], bool]:
    """Numeric fields for a model that stores its names, its number of inputs, or neither. Says also whether positional."""
    if names is not None:
        _check_features(names, hints)
        return [Field(name, reasons=("named in the artifact",), **attributes) for name in names], False
    chosen, positional, reason = name_inputs(
        count or len(hints.known) or len(hints.features) or _columns_left(hints), hints
    )
    return [Field(name, reasons=(reason,), **attributes) for name in chosen], positional


def _check_features(names: Sequence[str], hints: Hints) -> None:
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise SignatureError(f"the model has two inputs called {twice!r}: rename one and train again")
    if hints.features and set(hints.features) != set(names):
        raise SignatureError(f"the model stores its own names, leave --features out: {', '.join(names)}")


def _columns_left(hints: Hints) -> int:
    return len([name for name in hints.columns if name != hints.target])


def to_array(records: Sequence[Record], dtype: Any = np.float64) -> Array:
    """Records to a two-dimensional array; null becomes NaN."""
    return np.array(records, dtype=dtype)


def to_coded_array(
    records: Sequence[Record], codes: Mapping[int, Mapping[Any, float]], dtype: Any = np.float64
) -> Array:
    """Records to numbers, the columns in `codes` by the code of their category; null and unseen ones become NaN."""
    if not codes:
        return to_array(records, dtype)
    columns: list[Sequence[Any]] = list(zip(*records, strict=True))
    for i, table in codes.items():
        columns[i] = [table.get(value, np.nan) for value in columns[i]]
    return np.array(columns, dtype=dtype).T


def to_objects(records: Sequence[Record], none_gaps: Collection[int] = ()) -> Array:
    """Records to an array of objects, as a model that was trained on text and numbers without names wants it."""
    columns = zip(*records, strict=True)
    return np.array([_objects(values, i in none_gaps) for i, values in enumerate(columns)], dtype=object).T


def to_frame(records: Sequence[Record], fields: Sequence[Field], none_gaps: Collection[int] = ()) -> Any:
    """Records to a pandas DataFrame with the columns and dtypes that training had.

    Training saw either NaN or None where text was missing, and encoders tell the two apart: `none_gaps` are the columns
    with None.
    """
    import pandas

    columns = zip(*records, strict=True)
    cells = {
        f.name: _column(f, values, i in none_gaps) for i, (f, values) in enumerate(zip(fields, columns, strict=True))
    }
    frame = pandas.DataFrame(cells, copy=False)
    for i in none_gaps:  # pandas 3 makes a column of text out of objects, and NaN out of None
        frame[fields[i].name] = pandas.Series(cells[fields[i].name], dtype=object)
    return frame


def _column(f: Field, values: Sequence[Any], none_gaps: bool) -> Array:
    if f.kind is Kind.STRING or (f.kind is Kind.BOOL and None in values):
        return np.array(_objects(values, none_gaps), dtype=object)
    if f.kind is Kind.BOOL:
        return np.array(values, dtype=bool)
    return np.array(values, dtype=np.int64 if f.kind is Kind.INT and None not in values else np.float64)


def _objects(values: Sequence[Any], none_gaps: bool) -> Sequence[Any]:
    return values if none_gaps or None not in values else [np.nan if v is None else v for v in values]


def settle_gaps(fields: Sequence[Field], works: Callable[[Record], bool]) -> tuple[Field, ...]:
    """The fields with null allowed only where the model answers to it: gaps in the data do not mean that training had them.

    `works` runs the model on one record; what it raises means no.
    """

    def answers(gaps: Collection[int]) -> bool:
        try:
            return works(tuple(None if i in gaps else example_value(f) for i, f in enumerate(fields)))
        except Exception:  # whatever the model's library raises
            return False

    nullable = [i for i, f in enumerate(fields) if f.nullable]
    if not nullable or answers(nullable) or not answers(()):
        return tuple(fields)
    settled = list(fields)
    for i in nullable:
        if not answers((i,)):
            settled[i] = fields[i].because("null refused: the model fails on it", nullable=False, optional=False)
    return tuple(settled)


def is_sound(values: Any) -> bool:
    """Whether no NaN is among the values: a model that answers NaN to a gap does not take gaps."""
    array = np.asarray(values)
    return array.dtype.kind != "f" or not bool(np.isnan(array).any())


# -- answers -------------------------------------------------------------------------------------------------------


def class_answers(labels: Sequence[Any], classes: Sequence[Any], probabilities: Sequence[Sequence[float]]) -> list[Any]:
    """The answer of a classifier that gives probabilities; keys are the classes as strings."""
    keys = [str(c) for c in classes]
    return [
        {"prediction": label, "probabilities": dict(zip(keys, row, strict=True))}
        for label, row in zip(labels, probabilities, strict=True)
    ]


def value_answers(values: Array) -> list[Any]:
    """The answer of anything else: one value, or y0, y1, … where the model has several outputs."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        return [{"prediction": value} for value in values.tolist()]
    names = output_names(values.shape[1])
    return [{"prediction": dict(zip(names, row, strict=True))} for row in values.tolist()]


def label_answers(tables: Sequence[Array], classes: Sequence[Sequence[Any]], labels: Array | None = None) -> list[Any]:
    """The answers of a classifier of several outputs: a table of probabilities for each, and its labels if they are known.

    Without labels, the class of the greatest probability is the answer.
    """
    names = output_names(len(tables))
    if labels is None:
        chosen = [np.asarray(c, dtype=object).take(t.argmax(axis=1)) for c, t in zip(classes, tables, strict=True)]
        labels = np.array(chosen, dtype=object).T
    keys = [[str(c) for c in output] for output in classes]
    per_output = [[dict(zip(k, row, strict=True)) for row in t.tolist()] for k, t in zip(keys, tables, strict=True)]
    return [
        {"prediction": dict(zip(names, row, strict=True)), "probabilities": dict(zip(names, cells, strict=True))}
        for row, cells in zip(labels.tolist(), zip(*per_output, strict=True), strict=True)
    ]


def output_names(count: int) -> list[str]:
    """`prediction` for a single output, y0, y1, … for several."""
    return ["prediction"] if count == 1 else [f"y{i}" for i in range(count)]


def both_sides(positive: Array) -> Array:
    """A table of two classes from the probability of the second."""
    return np.column_stack((1 - positive, positive))


def scored_classes(classes: Any, threshold: float = 0.5) -> Outputs:
    """The outputs of a booster that gives a probability per class, or that of the second class alone.

    `threshold` is what the second of two classes must exceed.
    """
    table = np.asarray(classes)
    keys = table.tolist()
    output = Output("prediction", kind_of(table), tuple(keys), probabilities=True)

    def answer(scores: Array) -> list[Any]:
        rows = scores if scores.ndim == 2 else both_sides(scores)
        chosen = (rows[:, 1] > threshold).astype(int) if len(keys) == 2 else rows.argmax(axis=1)
        return class_answers(table.take(chosen).tolist(), keys, rows.tolist())

    return Task.CLASSIFY, (output,), answer


def named_classes(count: int, hints: Hints) -> Sequence[Any]:
    """The classes of a model that knows only their number: as the user named them, else 0, 1, …

    Raises SignatureError where there are more or fewer names.
    """
    if hints.classes and len(hints.classes) != count:
        raise SignatureError(
            f"the TOML file beside the model names {len(hints.classes)} classes, but the model has {count}"
        )
    return hints.classes or range(count)


def scored_labels(count: int) -> Outputs:
    """The outputs of a booster that gives one probability for each of several labels, yes or no."""
    outputs = tuple(Output(name, Kind.INT, (0, 1), probabilities=True) for name in output_names(count))
    classes = [(0, 1)] * count
    return Task.CLASSIFY, outputs, lambda scores: label_answers([both_sides(s) for s in scores.T], classes)


def plain_values(count: int = 1, kind: Kind = Kind.FLOAT, task: Task = Task.REGRESS) -> Outputs:
    """The outputs of a model that gives values as they are."""
    return task, tuple(Output(name, kind) for name in output_names(count)), value_answers


def kind_of(values: Any) -> Kind:
    """The field kind of a NumPy array's values."""
    kind = np.asarray(values).dtype.kind
    return {"i": Kind.INT, "u": Kind.INT, "f": Kind.FLOAT, "b": Kind.BOOL}.get(kind, Kind.STRING)

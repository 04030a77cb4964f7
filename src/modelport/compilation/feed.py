"""From records to the matrix that a compiled model reads, and from what it gives to answers. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modelport.compilation.columns import FIRST, NULL, UNSEEN
from modelport.compilation.texts import TextReader
from modelport.kernel.signature import Kind, Output, Signature
from modelport.kernel.values import Record

Array = np.ndarray[Any, Any]
REFUSED = "refused"
"""An output where there is something to refuse: by record, whether the original raises."""
LABELS, PROBABILITIES, VALUES = "labels", "probabilities", "values"
"""The outputs of a compiled graph: positions of classes by output, tables of probabilities (with a number appended where there
are several outputs), or the values themselves."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How records become a matrix: the values that columns of text can have, by position. Counts of the terms of free text
    follow the fields, for each vectorizer that reads them."""

    width: int
    tables: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    texts: tuple[TextReader, ...] = ()

    def reader(self) -> Callable[[Sequence[Record]], Array]:
        """The function from records to a float64 row for each: null is NaN, text the code of its value."""
        coded = {
            i: {None: NULL} | {value: FIRST + k for k, value in enumerate(values)} for i, values in self.tables.items()
        }

        def numbers(records: Sequence[Record]) -> Array:
            return np.array(records, dtype=np.float64).reshape(len(records), self.width)

        def mixed(records: Sequence[Record]) -> Array:
            columns: list[Sequence[Any]] = list(zip(*records, strict=True))
            for i, codes in coded.items():
                columns[i] = [codes.get(value, UNSEEN) for value in columns[i]]
            return np.array(columns, dtype=np.float64).T

        plain = mixed if coded else numbers
        return self._with_counts(plain) if self.texts else plain

    def _with_counts(self, plain: Callable[[Sequence[Record]], Array]) -> Callable[[Sequence[Record]], Array]:
        counters = [(t.field, t.counter()) for t in self.texts]
        free = {t.field for t in self.texts}

        def read(records: Sequence[Record]) -> Array:
            rest = [tuple(0.0 if i in free else v for i, v in enumerate(r)) for r in records]
            counts = [count([r[i] for r in records]) for i, count in counters]
            return np.concatenate([plain(rest), *counts], axis=1)

        return read

    @property
    def cells(self) -> int:
        """How wide the matrix is."""
        return self.width + sum(t.width for t in self.texts)


def answers(signature: Signature, given: Mapping[str, Array], float_labels: bool = False) -> list[Any]:
    """One plain object per record, in the shape that the original's loader gives.

    `float_labels`: the original says 1.0 for its class 1, as chains of classifiers do.
    """
    outputs = signature.outputs
    if VALUES in given:
        return _values(outputs, given[VALUES])
    labels = given[LABELS]
    if PROBABILITIES in given:
        return _one_table(outputs[0], labels, given[PROBABILITIES])
    chosen = [_chosen(o, labels[:, i]) for i, o in enumerate(outputs)]
    chosen = [[float(label) for label in column] for column in chosen] if float_labels else chosen
    if len(outputs) == 1:
        return [{"prediction": label} for label in chosen[0]]
    names = [o.name for o in outputs]
    predictions = [dict(zip(names, row, strict=True)) for row in zip(*chosen, strict=True)]
    if f"{PROBABILITIES}0" not in given:
        return [{"prediction": p} for p in predictions]
    tables = [_keyed(o, given[f"{PROBABILITIES}{i}"]) for i, o in enumerate(outputs)]
    named = (dict(zip(names, cells, strict=True)) for cells in zip(*tables, strict=True))
    return [{"prediction": p, "probabilities": t} for p, t in zip(predictions, named, strict=True)]


def _chosen(output: Output, positions: Array) -> list[Any]:
    return [output.classes[i] for i in positions.tolist()]


def _one_table(output: Output, labels: Array, table: Array) -> list[Any]:
    keyed = _keyed(output, table)
    return [
        {"prediction": label, "probabilities": row}
        for label, row in zip(_chosen(output, labels[:, 0]), keyed, strict=True)
    ]


def _keyed(output: Output, table: Array) -> list[dict[str, float]]:
    keys = [str(c) for c in output.classes]
    return [dict(zip(keys, row, strict=True)) for row in table.tolist()]


_TYPES: dict[Kind, type] = {Kind.INT: np.int64, Kind.BOOL: np.bool_}


def _values(outputs: Sequence[Output], values: Array) -> list[Any]:
    if outputs[0].kind in _TYPES:
        values = values.astype(_TYPES[outputs[0].kind])
    if values.ndim == 2 and len(outputs) == 1:
        values = values[:, 0]
    if values.ndim == 1:
        return [{"prediction": value} for value in values.tolist()]
    names = [o.name for o in outputs]
    return [{"prediction": dict(zip(names, row, strict=True))} for row in values.tolist()]

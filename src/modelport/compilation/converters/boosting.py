"""What the libraries of gradient boosting have in common: codes of categories, and scores to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, positions
from modelport.compilation.converters.registry import Classified, expit, softmax, two_sides
from modelport.compilation.graph import Tensor
from modelport.compilation.trees import MEMBER, Tree


def coded_matrix(inputs: Columns, categories: Mapping[int, Sequence[Any]], part: str) -> Tensor:
    """The inputs, with the positions of their values in the columns of categories; what is unknown there becomes NaN."""
    if not categories:
        return inputs.numbers(part)
    rest = [i for i in range(inputs.width) if i not in categories]
    columns = {i: _codes(inputs, i, values).tall() for i, values in categories.items()}
    plain = inputs.select(rest).numbers(part) if rest else None
    for k, i in enumerate(rest):
        assert plain is not None
        columns[i] = plain.columns([k])
    return inputs.tensor.graph.concat([columns[i] for i in range(inputs.width)])


def _codes(inputs: Columns, i: int, values: Sequence[Any]) -> Tensor:
    x = inputs.tensor.column(i)
    table = inputs.table(i)
    if table is not None:
        found = positions(table, list(values), -1, -1)
        return x.graph.constant(np.where(found < 0, np.nan, found)).gather(x.cast(np.int64))
    hits = x.tall().equals(np.array([float(v) for v in values]).reshape(1, -1)).as_float()
    place = (hits * np.arange(len(values), dtype=np.float64)).total()
    return (hits.total() > 0.0).where(place, np.nan)


def note_trees(inputs: Columns, trees: Sequence[Tree], fields: Sequence[int] | None = None) -> None:
    """Tell the thresholds of trees that see the inputs, or `fields` of them, in another form: rows are checked at each."""
    for tree in trees:
        inner = (tree.left >= 0) & (tree.mode != MEMBER)
        seen = tree.feature[inner].astype(np.int64)
        chosen = seen % inputs.width if fields is None else np.asarray(fields)[seen]
        inputs.tensor.graph.note_splits(inputs.tensor, chosen, tree.threshold[inner])


def binary_answer(positive: Tensor, threshold: float = 0.5) -> Classified:
    """The second of two classes where its probability is above the threshold."""
    return Classified((positive > threshold).cast(np.int64), two_sides(positive))


def logistic_answer(raw: Tensor) -> Classified:
    """From the logarithm of the odds."""
    return binary_answer(expit(raw))


def softmax_answer(raw: Tensor, single: bool = False) -> Classified:
    """The greatest of the probabilities, which are rounded to float32 first if `single`."""
    table = softmax(raw)
    table = table.rounded() if single else table
    return Classified(table.argmax(), table)

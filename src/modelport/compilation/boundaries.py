"""Rows where a model is of two minds: exact ties of votes, and pairs of rows so close that only the answer tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelport.compilation.parity import Expected, Predict, Row, ask
from modelport.compilation.rows import Budget, RowMaker
from modelport.kernel.signature import NUMERIC, Field, Kind
from modelport.kernel.values import Record

PAIRS = 48
FINE, COARSE = 70, 22
"""How often the way between two rows is halved: down to neighbouring numbers for models that only compare; to a few parts in a
million for those that add and multiply, where the last digit depends on the order of a sum even in the original."""


def boundary_rows(
    predict: Predict, maker: RowMaker, fields: Sequence[Field], exact: bool, budget: Budget, limit_s: float
) -> list[Row]:
    """Ties, and rows on both sides of changes of the answer."""
    searched = ask(predict, [("searched", r) for r in maker.inside(budget.searched)], limit_s / 2)
    ties: list[Row] = [("tied votes", r) for (_, r), a in zip(searched.rows, searched.answers, strict=True) if _tied(a)]
    halving = _Halving(predict, fields, FINE if exact else COARSE)
    edges = halving.between(_pairs(searched), limit_s / 2)
    return [*ties[: budget.ties], *edges]


def _tied(answer: Any) -> bool:
    """Whether the two most probable classes have the same probability, or nearly."""
    table = answer.get("probabilities") if isinstance(answer, dict) else None
    tables = [table] if table and not isinstance(next(iter(table.values())), dict) else list((table or {}).values())
    for one in tables:
        top = sorted(one.values())[-2:]
        if len(top) == 2 and top[1] - top[0] < 1e-9:
            return True
    return False


def _pairs(searched: Expected) -> list[tuple[Record, Record]]:
    """Rows with different answers, from all over the search."""
    rows = [r for _, r in searched.rows]
    answers = [a["prediction"] for a in searched.answers]
    step = max(1, len(rows) // PAIRS)
    return [(rows[i], rows[i + 1]) for i in range(0, len(rows) - 1, step) if answers[i] != answers[i + 1]]


class _Halving:
    """Walks from one row to another by halves, all pairs at once, keeping a change of the answer between the two ends."""

    def __init__(self, predict: Predict, fields: Sequence[Field], times: int) -> None:
        self._predict, self._fields, self._times = predict, fields, times

    def between(self, pairs: Sequence[tuple[Record, Record]], limit_s: float) -> list[Row]:
        """Both ends of each pair, when they have met."""
        if not pairs:
            return []
        ends = [(a, self._aligned(a, b)) for a, b in pairs]
        first = self._answers([a for a, _ in ends], limit_s)
        if first is None:
            return []
        for _ in range(self._times):
            middles = [self._middle(a, b) for a, b in ends]
            answers = self._answers(middles, limit_s)
            if answers is None:
                return []
            ends = [
                (m, b) if answer == f else (a, m)
                for (a, b), m, answer, f in zip(ends, middles, answers, first, strict=True)
            ]
        return [("where the answer changes", r) for pair in ends for r in pair]

    def _answers(self, records: list[Record], limit_s: float) -> list[Any] | None:
        try:
            return [a["prediction"] for a in self._predict(records)]
        except Exception:  # a row between two good ones that the original refuses
            return None

    def _aligned(self, a: Record, b: Record) -> Record:
        """The second row, with the first one's values where there is nothing between two values."""
        return tuple(
            y if self._between(f) and x is not None and y is not None else x
            for f, x, y in zip(self._fields, a, b, strict=True)
        )

    def _between(self, f: Field) -> bool:
        return f.kind in NUMERIC and not f.categories

    def _middle(self, a: Record, b: Record) -> Record:
        return tuple(
            x if not self._between(f) or x is None else self._half(f, x, y)
            for f, x, y in zip(self._fields, a, b, strict=True)
        )

    def _half(self, f: Field, x: Any, y: Any) -> Any:
        return (x + y) // 2 if f.kind is Kind.INT else x / 2 + y / 2

"""The rows on which a compiled form is held against the original: drawn so that what usually differs would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.compilation.graph import Array
from modelport.compilation.parity import Row
from modelport.compilation.texts import ODD_TEXTS, draw_texts
from modelport.kernel.signature import FLOAT_LIMIT, NUMERIC, Field, Kind, Signature
from modelport.kernel.values import Record

SAMPLE, INSIDE = "sample", "inside the ranges"
USUAL = (SAMPLE, INSIDE)
"""Kinds of rows whose answers tell how great the model's values usually are."""

SCALES = (3.0, 10.0, 1e3, 1e6, 1e-3, 1e-9)
EXTREMES = (0.0, -0.0, 1e-300, 1e-30, 1e15, -1e15, 1e30, -1e30, FLOAT_LIMIT, -FLOAT_LIMIT)
UNSEEN_TEXT = ("", "never seen before", "Ünseen ✓")
UNSEEN_NUMBERS = (-1, 977, 12345)


@dataclass(frozen=True, slots=True)
class Budget:
    """How many rows of each kind; `searched` are drawn to find ties and boundaries, and not compared themselves."""

    sample: int = 3000
    inside: int = 3000
    scaled: int = 300
    thresholds: int = 2400
    gaps: int = 600
    categories: int = 600
    ties: int = 600
    searched: int = 4000


@dataclass(slots=True)
class Ranges:
    """Where the numbers of each field lie."""

    low: Array
    high: Array


def read_ranges(fields: Sequence[Field], sample: Sequence[Record], splits: Mapping[int, Sequence[Array]]) -> Ranges:
    """From the signature, else the sample, else the thresholds of trees, else around zero."""
    low, high = np.full(len(fields), -3.0), np.full(len(fields), 3.0)
    for i, f in enumerate(fields):
        known = [float(r[i]) for r in sample if r[i] is not None] if f.kind in NUMERIC else []
        cuts = np.concatenate(splits[i]) if splits.get(i) else np.array([])
        cuts = cuts[np.isfinite(cuts)]
        if f.low is not None and f.high is not None:
            low[i], high[i] = f.low, f.high
        elif known:
            low[i], high[i] = min(known), max(known)
        elif len(cuts):
            margin = (cuts.max() - cuts.min()) * 0.2 or abs(cuts[0]) or 1.0
            low[i], high[i] = cuts.min() - margin, cuts.max() + margin
    return Ranges(low, high)


class RowMaker:
    """Makes rows of every kind; the same ones each time."""

    def __init__(
        self,
        signature: Signature,
        sample: Sequence[Record],
        splits: Mapping[int, Sequence[Array]],
        budget: Budget,
        terms: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        self._fields = signature.inputs
        self._sample = list(sample)
        self._splits = splits
        self._terms = terms or {}
        self._budget = budget
        self._ranges = read_ranges(self._fields, sample, splits)
        self._random = np.random.default_rng(20_240_229)
        self._base = self._bases()

    def rows(self) -> list[Row]:
        """All kinds but those that need the original's answers, mixed, so that a part of them holds every kind."""
        kinds = {
            SAMPLE: self._thinned(self._budget.sample),
            INSIDE: self._drawn(self._budget.inside, 1.0),
            **{f"{scale:g} times the ranges": self._drawn(self._budget.scaled, scale) for scale in SCALES},
            "extremes": self._extremes(),
            "at a split threshold": self._at_thresholds(),
            "missing values": self._gaps(),
            "categories": self._categories(),
        }
        rows = [(kind, record) for kind, records in kinds.items() for record in records]
        order = self._random.permutation(len(rows))
        return [rows[i] for i in order]

    def inside(self, count: int) -> list[Record]:
        """More rows within the ranges, half of them mixed from others."""
        drawn = self._drawn(count // 2, 1.0)
        pool = [*self._base, *drawn]
        width = len(self._fields)
        picks = self._random.integers(0, len(pool), (count - len(drawn), 2))
        masks = self._random.random((len(picks), width)) < 0.5
        mixed = [
            tuple(pool[a][i] if mask[i] else pool[b][i] for i in range(width))
            for (a, b), mask in zip(picks.tolist(), masks.tolist(), strict=True)
        ]
        return [*drawn, *mixed]

    def _bases(self) -> list[Record]:
        """Ordinary rows, for other kinds to change one value of."""
        return self._thinned(200) or self._drawn(200, 1.0)

    def _thinned(self, count: int) -> list[Record]:
        if len(self._sample) <= count:
            return list(self._sample)
        return [self._sample[i] for i in np.linspace(0, len(self._sample) - 1, count).astype(int)]

    def _drawn(self, count: int, scale: float) -> list[Record]:
        columns = [self._column(i, f, count, scale) for i, f in enumerate(self._fields)]
        return list(zip(*columns, strict=True))

    def _column(self, i: int, f: Field, count: int, scale: float) -> list[Any]:
        if f.categories:
            return [f.categories[k] for k in self._random.integers(0, len(f.categories), count)]
        if f.kind is Kind.BOOL:
            return [bool(b) for b in self._random.random(count) < 0.5]
        if f.dtype == "text":
            return draw_texts(self._random, [r[i] for r in self._sample if r[i]], self._terms.get(i, ()), count)
        if f.kind is Kind.STRING:
            known = sorted({r[i] for r in self._sample if r[i] is not None})[:1000] or ["text", "a", ""]
            return [known[k] for k in self._random.integers(0, len(known), count)]
        low, high = float(self._ranges.low[i]), float(self._ranges.high[i])
        middle, reach = (low + high) / 2, (high - low) / 2 or 1.0
        values = middle + self._random.uniform(-1, 1, count) * reach * scale
        return [self._fit(f, v) for v in values.tolist()]

    def _fit(self, f: Field, value: float) -> Any:
        """The value as the field's type takes it."""
        value = min(max(value, -FLOAT_LIMIT), FLOAT_LIMIT)
        if f.kind is not Kind.INT:
            return value
        low, high = f.int_bounds
        return int(min(max(round(value), low), high))

    def _numeric(self) -> list[int]:
        return [i for i, f in enumerate(self._fields) if f.kind in NUMERIC and not f.categories]

    def _extremes(self) -> list[Record]:
        """Each extreme in each field, and in all of them at once."""
        numeric = self._numeric()
        rows = []
        for k, extreme in enumerate(EXTREMES):
            base = self._base[k % len(self._base)]
            rows.append(self._with(base, {i: self._fit(self._fields[i], extreme) for i in numeric}))
            rows += [self._with(base, {i: self._fit(self._fields[i], extreme)}) for i in numeric[:40]]
        return rows

    def _at_thresholds(self) -> list[Record]:
        """Around thresholds: themselves, the float32 on each side, and the float64 on each side of where rounding turns."""
        cuts = [(i, float(t)) for i, parts in self._splits.items() for t in np.unique(np.concatenate(parts))]
        cuts = [(i, t) for i, t in cuts if math.isfinite(t) and self._fields[i].kind in NUMERIC]
        wanted = max(1, self._budget.thresholds // 7)
        if len(cuts) > wanted:
            cuts = [cuts[k] for k in self._random.choice(len(cuts), wanted, replace=False)]
        rows = []
        for i, cut in cuts:
            for value in around(cut):
                base = self._base[int(self._random.integers(len(self._base)))]
                rows.append(self._with(base, {i: self._fit(self._fields[i], value)}))
        return rows

    def _gaps(self) -> list[Record]:
        """Null in each field that takes it, in all of them, and here and there."""
        open_fields = [i for i, f in enumerate(self._fields) if f.nullable]
        if not open_fields:
            return []
        rows = [self._with(self._base[0], dict.fromkeys(open_fields))]
        rows += [self._with(b, {i: None}) for i in open_fields for b in self._base[:3]][: self._budget.gaps // 2]
        while len(rows) < self._budget.gaps:
            base = self._base[len(rows) % len(self._base)]
            rows.append(self._with(base, {i: None for i in open_fields if self._random.random() < 0.3}))
        return rows

    def _categories(self) -> list[Record]:
        """Each category of each field, and where others are allowed, some that nobody has seen."""
        rows: list[Record] = []
        for i, f in enumerate(self._fields):
            if f.kind is Kind.BOOL:
                values: list[Any] = [True, False]
            elif f.dtype == "text":
                values = list(ODD_TEXTS)
            elif f.categories or f.kind is Kind.STRING:
                values = [*f.categories[:300], *(() if f.closed else self._unseen(f))]
            else:
                continue
            rows += [self._with(self._base[k % len(self._base)], {i: v}) for k, v in enumerate(values)]
        if len(rows) > self._budget.categories:
            rows = [rows[k] for k in self._random.choice(len(rows), self._budget.categories, replace=False)]
        return rows

    def _unseen(self, f: Field) -> list[Any]:
        if f.kind is not Kind.STRING:
            return [v for v in UNSEEN_NUMBERS if v not in f.categories]
        near = [str(c).upper() for c in f.categories[:3]] + [f"{c} " for c in f.categories[:3]]
        return [v for v in (*UNSEEN_TEXT, *near) if v not in f.categories]

    def _with(self, row: Record, changes: Mapping[int, Any]) -> Record:
        changed = list(row)
        for i, value in changes.items():
            changed[i] = value
        return tuple(changed)


def around(cut: float) -> list[float]:
    """A threshold, the next numbers on both sides of it in either precision, and the float64 where rounding to float32 turns."""
    with np.errstate(over="ignore"):  # next to the greatest float32 comes infinity
        here = np.float32(cut)
        low = here if float(here) <= cut else np.nextafter(here, np.float32(-np.inf))
        high = np.nextafter(low, np.float32(np.inf))
    middle = (float(low) + float(high)) / 2
    return [
        *(cut, math.nextafter(cut, -math.inf), math.nextafter(cut, math.inf)),
        *(float(low), float(high), middle, math.nextafter(middle, math.inf)),
    ]

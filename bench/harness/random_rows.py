"""Fresh rows for a model of which only the training records and the signature are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modelport.compilation.parity import Row
from modelport.kernel.check import Reading, read_value
from modelport.kernel.signature import Field, Kind, Signature

WILD_NUMBERS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-5,
    1e-12,
    1e-40,
    5e-324,
    1e6,
    -1e6,
    2.0**24 + 1,
    2.0**31,
    2.0**53,
    1e20,
    3e38,
    -3e38,
)
WILD_TEXT = (
    "",
    " ",
    "nan",
    "None",
    "NaN",
    "a",
    "A",
    "é",
    "e\u0301",
    "🦊",
    "a\u0000b",
    "x" * 300,
    "0",
    "1.0",
    "\n",
    "日本",
    "ﬁ",
    "İ",
)


def fresh_rows(rng: Any, records: list[tuple[Any, ...]], signature: Signature, count: int) -> list[Row]:
    """Half of them near to training, the others with one wild value, neighbours of known numbers, or gaps."""
    rows: list[Row] = []
    while len(rows) < count:
        base = list(records[rng.integers(len(records))])
        other = records[rng.integers(len(records))]
        kind = ("near", "mixed", "neighbours", "wild", "gaps", "between")[len(rows) % 6]
        for i, f in enumerate(signature.inputs):
            base[i] = _accepted(f, _changed(rng, kind, f, base[i], other[i]), base[i], rng)
        rows.append((kind, tuple(base)))
    return rows


def _changed(rng: Any, kind: str, f: Field, value: Any, other: Any) -> Any:
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "gaps":
        return None if rng.random() < 0.3 else value
    if kind == "mixed":
        return other if rng.random() < 0.5 else value
    if kind == "wild" and rng.random() < 0.3:
        return (
            WILD_TEXT[rng.integers(len(WILD_TEXT))]
            if f.kind is Kind.STRING
            else WILD_NUMBERS[rng.integers(len(WILD_NUMBERS))]
        )
    if f.kind is Kind.STRING and isinstance(value, str):
        return " ".join(rng.permutation((value + " " + str(other)).split()).tolist()) if f.dtype == "text" else value
    if not numeric:
        return value
    if kind == "neighbours":
        return (
            float(np.nextafter(np.float32(value), np.float32(rng.choice([-np.inf, np.inf]))))
            if rng.random() < 0.5
            else math.nextafter(value, rng.choice([-math.inf, math.inf]))
        )
    if kind == "between" and isinstance(other, (int, float)):
        return (value + other) / 2
    return value * float(rng.normal(1, 0.05)) if kind == "near" else value


def _accepted(f: Field, value: Any, otherwise: Any, rng: Any) -> Any:
    """The value as the service reads it, or another where the signature refuses it."""
    for candidate in (value, _whole(f, value), otherwise, f.example, *f.categories[:1]):
        if candidate is None and not f.nullable:
            continue
        if f.kind is Kind.FLOAT and isinstance(candidate, int) and not isinstance(candidate, bool):
            candidate = float(candidate)
        reading = Reading()
        read = read_value(f, candidate, (), reading)
        if not reading.problems:
            return read
    return {Kind.STRING: "a", Kind.BOOL: True}.get(f.kind, 0.0 if f.kind is Kind.FLOAT else 0)


def _whole(f: Field, value: Any) -> Any:
    return round(value) if f.kind is Kind.INT and isinstance(value, float) and math.isfinite(value) else value

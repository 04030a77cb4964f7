"""Whether two answers of a model are the same, whatever it answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TOLERANCE = 1e-6
"""Of numbers: libraries that compute with several threads add up in an order of their own."""


def same_answer(left: Any, right: Any) -> bool:
    """Numbers up to rounding, NaN as itself, arrays and tables by their values; anything else by `==`."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same_answer(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same_answer, left, right))
    if isinstance(left, float) and isinstance(right, float):
        close = math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        return close or (math.isnan(left) and math.isnan(right))
    if hasattr(left, "__array__") or hasattr(right, "__array__"):
        return _same_array(left, right)
    return type(left) is type(right) and bool(left == right)


def _same_array(left: Any, right: Any) -> bool:
    import numpy as np

    first, second = np.asarray(left), np.asarray(right)
    if first.shape != second.shape or first.dtype.kind != second.dtype.kind:
        return False
    if first.dtype.kind in "fc":
        return bool(np.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(np.array_equal(first, second))

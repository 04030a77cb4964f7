"""How long the caller of the code that asks still waits."""

from __future__ import annotations

from math import inf
from time import monotonic

from modelport.kernel.context import current

LEAST_S = 0.001
"""What is left when nothing is: clients of other libraries take 0 for \"do not wait\", or for \"wait for ever\"."""


def deadline() -> float | None:
    """Seconds that the caller of this model or route still waits, at least 0.001; None outside of calls.

    For what is asked in between:  `await client.get(url, timeout=modelport.deadline())`.
    """
    context = current.get()
    if context is None or context.deadline == inf:
        return None
    return max(LEAST_S, context.deadline - monotonic())

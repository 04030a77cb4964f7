"""Vectorizers of text."""

from __future__ import annotations

from typing import Any

from modelport.native.repairs.repair import repair


@repair(
    "TfidfTransformer",
    saved="<1.5",
    reason="the weights of terms were kept as the diagonal of a matrix, which is not read any more: terms would have no weights",
)
def term_weights(_: Any, state: Any) -> Any:
    """The diagonal as the vector that is read today."""
    diagonal = state.get("_idf_diag")
    if diagonal is None:
        return None
    rest = {key: value for key, value in state.items() if key != "_idf_diag"}
    return {**rest, "idf_": diagonal.diagonal()}


@repair(
    "TfidfTransformer",
    saved="<1.0",
    reason="without weights of terms it has no state of its own, and counts as not fitted since 0.24",
)
def no_term_weights(_: Any, state: Any) -> Any:
    """Something that says that it is."""
    return None if state.get("use_idf", True) else {**state, "weightless_": True}

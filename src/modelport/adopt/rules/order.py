"""The order in which features reach the model, against the one that it was trained with."""

from __future__ import annotations

import ast
import re

from modelport.adopt.analysis import Analysis, Use
from modelport.adopt.facts import Level
from modelport.adopt.models import PREDICTS

_NAME_THEM = "list the names in the model's order and take each by its name"


def check_order(analysis: Analysis) -> None:
    """Every prediction whose features could be read."""
    for use in analysis.uses:
        if use.method in PREDICTS:
            _check_use(analysis, use)


def _check_use(analysis: Analysis, use: Use) -> None:
    features, stored = use.features, use.model.stored if use.model else None
    node = features.node if features.node is not None and hasattr(features.node, "lineno") else use.call
    if features.order == "client":
        level, said = _client(use)
        analysis.found("client-order", level, use.scope.source, node, said)
        return
    if features.order not in ("code", "schema") or stored is None:
        return
    given, trained = features.columns or features.keys, stored.features
    if stored.count and len(features.values) != stored.count and not features.through:
        what = f"the model takes {stored.count} features, and gets {len(features.values)}: every prediction fails"
        analysis.found("feature-count", "breaks", use.scope.source, node, (what, _listed(trained)))
        return
    if not trained or features.through:
        return
    if permuted(given, trained):
        framed = bool(features.columns) and _exact(given, trained) and _is_frame(use)
        first = next(
            n for n, (a, b) in enumerate(zip(map(plain_name, given), map(plain_name, trained), strict=True)) if a != b
        )
        what = f"features are passed in another order than the model's: {given[first]} stands where {trained[first]} belongs"
        what += ": scikit-learn refuses it" if framed else ""
        analysis.found(
            "feature-order", "breaks" if framed else "wrong", use.scope.source, node, (what, _listed(trained))
        )
    elif features.columns and permuted(features.keys, features.columns):
        what = "values and column names are in different orders"
        analysis.found("feature-order", "wrong", use.scope.source, node, (what, _listed(trained)))


def _client(use: Use) -> tuple[Level, tuple[str, str]]:
    part = {"form": "the form's fields", "query": "the query's parameters"}.get(
        use.features.values[0].source, "the keys of the JSON body"
    )
    stored = use.model.stored if use.model else None
    remedy = _listed(stored.features) if stored and stored.features else _NAME_THEM
    if stored and stored.features and _is_frame(use):
        return "breaks", (
            f"features are taken in the order of {part}: any other order fails, though the body is the same",
            remedy,
        )
    return "wrong", (
        f"features are taken in the order of {part}, which the client decides: another order, another answer",
        remedy,
    )


def _is_frame(use: Use) -> bool:
    """Whether the model gets a DataFrame, whose names scikit-learn compares."""
    given = use.scope.resolve(use.call.args[0]) if use.call.args else None
    while isinstance(given, ast.Subscript):
        given = use.scope.resolve(given.value)
    return (
        isinstance(given, ast.Call) and use.scope.project.full_name(use.scope.source, given.func) == "pandas.DataFrame"
    )


def _listed(names: tuple[str, ...]) -> str:
    return f"the model's order is {', '.join(names[:30])}{', …' if len(names) > 30 else ''}" if names else _NAME_THEM


def plain_name(name: str) -> str:
    """A name without what forms and columns spell differently: `Sepal Length (cm)` and `sepal_length` are one."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\([^)]*\)", "", name.lower()))


def permuted(given: tuple[str, ...], trained: tuple[str, ...]) -> bool:
    """Whether both are the same names, in another order; names that cannot be told apart are no reason to say so."""
    left, right = [plain_name(name) for name in given], [plain_name(name) for name in trained]
    return left != right and sorted(left) == sorted(right) and len(set(left)) == len(left) and all(left)


def _exact(given: tuple[str, ...], trained: tuple[str, ...]) -> bool:
    return sorted(given) == sorted(trained)

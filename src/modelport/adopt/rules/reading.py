"""How handlers read their input: what a client can send that ends as a 500."""

from __future__ import annotations

import ast

from modelport.adopt.analysis import Analysis
from modelport.adopt.flow import Scope
from modelport.adopt.inputs import key_of_part, source_of
from modelport.adopt.routes import Handler
from modelport.adopt.source import Function, Source

_TYPED = "a typed body answers 422 and names the field; in Flask check it, and  abort(400, …)"


_SAID = {
    "missing-field": "a body without {} is a KeyError: the client gets a 500, not a 400",
    "unchecked-number": "text in {} that is no number is a ValueError: the client gets a 500, not a 400",
    "unread-json": "a body that is no JSON is a 500, not a 400",
}


def check_reading(analysis: Analysis) -> None:
    """Every function that handlers run: one finding for each kind of fault, with all the names."""
    scopes = {scope.function: (handler, scope) for handler, found in analysis.scopes.items() for scope in found}
    for handler, scope in scopes.values():
        faults: dict[str, list[tuple[ast.AST, str]]] = {}
        for node in sorted(scope.nodes(), key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))):
            if (fault := _fault(handler, scope, node)) and not guarded(scope.source, node):
                faults.setdefault(fault[0], []).append((node, fault[1]))
        if "missing-field" not in faults and (selected := _selected(analysis, handler, scope)):
            faults["missing-field"] = selected
        for rule, found in faults.items():
            names = ", ".join(dict.fromkeys(name for _, name in found if name))
            analysis.found(rule, "risk", scope.source, found[0][0], (_SAID[rule].format(names), _TYPED))


def _selected(analysis: Analysis, handler: Handler, scope: Scope) -> list[tuple[ast.AST, str]]:
    """Names that the model is given by a list of them: `[d[name] for name in NAMES]`, `DataFrame([d])[NAMES]`."""
    asks = any(
        isinstance(call.func, ast.Attribute) and call.func.attr == "get" and source_of(scope, call.func.value) == "json"
        for call in scope.calls()
    )
    if asks or handler.app.framework != "flask":
        return []
    return [
        (use.call, value.key)
        for use in analysis.uses
        if use.scope.function is scope.function and not guarded(scope.source, use.call)
        for value in use.features.values
        if value.source == "json" and use.features.order == "code" and not _asks_for_any(scope)
    ]


def _asks_for_any(scope: Scope) -> bool:
    """Whether the function looks which names there are."""
    return any(
        isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        for node in scope.nodes()
    )


def _fault(handler: Handler, scope: Scope, node: ast.AST) -> tuple[str, str] | None:
    """The rule and the name in the request."""
    if isinstance(node, ast.Call) and scope.source.called(node) in ("float", "int") and len(node.args) == 1:
        pair = key_of_part(scope, scope.resolve(node.args[0]))
        return ("unchecked-number", pair[1]) if pair and pair[0] in ("form", "query", "form or query", "json") else None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        pair = key_of_part(scope, node)
        return (
            ("missing-field", pair[1]) if pair and pair[0] == "json" and not _asked_for(scope, node, pair[1]) else None
        )
    awaited = isinstance(node, ast.Await) and handler.app.framework == "fastapi" and source_of(scope, node) == "json"
    loads = (
        isinstance(node, ast.Call) and scope.source.called(node) == "json.loads" and source_of(scope, node) == "json"
    )
    return ("unread-json", "") if awaited or loads else None


def guarded(source: Source, node: ast.AST) -> bool:
    """Whether an exception here is caught in the same function."""
    below: ast.AST = node
    for above in source.above(node):
        if isinstance(above, ast.Try) and above.handlers and any(below is s for s in above.body):
            return True
        if isinstance(above, Function):
            return False
        below = above
    return False


def _asked_for(scope: Scope, node: ast.Subscript, name: str) -> bool:
    """Whether the function asks first: `"x" in data`, or a loop over names that it requires."""
    for other in scope.nodes():
        if isinstance(other, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in other.ops):
            left = other.left
            if isinstance(left, ast.Name) or (isinstance(left, ast.Constant) and left.value == name):
                return True
    return False

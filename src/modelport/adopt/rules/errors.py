"""Errors that look like answers, and requests that change what they only ask for."""

from __future__ import annotations

import ast
import re

from modelport.adopt.analysis import Analysis
from modelport.adopt.answers import kind_of
from modelport.adopt.flow import Scope
from modelport.adopt.routes import Handler
from modelport.adopt.source import argument, text_of

_ERROR_KEYS = ("error", "errors", "err", "exception", "traceback")
_WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|REPLACE|TRUNCATE)\b", re.IGNORECASE)
_CHANGES = (
    "commit",
    "to_csv",
    "to_sql",
    "to_pickle",
    "insert_one",
    "insert_many",
    "delete_one",
    "update_one",
    "fit",
    "partial_fit",
)
_CHANGING_CALLS = ("os.remove", "os.unlink", "shutil.rmtree", "joblib.dump", "pickle.dump", "os.rename")


def check_errors(analysis: Analysis) -> None:
    """Handlers that answer an exception with 200."""
    for handler in analysis.handlers:
        scope = analysis.scopes[handler][0]
        for node in scope.nodes():
            if (
                isinstance(node, ast.Return)
                and node.value is not None
                and (_is_error(scope, node) or _says_success(scope, node))
                and not _has_status(handler, scope, node.value)
            ):
                remedy = (
                    "write  return jsonify(…), 400"
                    if handler.app.framework == "flask"
                    else "raise HTTPException(status_code=400, detail=…)"
                )
                said = ("an error is answered with status 200: clients and monitors take it for an answer", remedy)
                analysis.found("error-200", "wrong", scope.source, node, said)


def _says_success(scope: Scope, node: ast.Return) -> bool:
    """Whether it answers an object whose `success` is false unless a branch was taken: `data = {"success": False}`."""
    value = node.value
    if isinstance(value, ast.Call) and scope.source.called(value).endswith("jsonify") and value.args:
        value = value.args[0]
    if not isinstance(value, ast.Name):
        return False
    begun = settled = False
    for other in scope.nodes():
        if not isinstance(other, ast.Assign):
            continue
        target = other.targets[0]
        if isinstance(target, ast.Name) and target.id == value.id and isinstance(other.value, ast.Dict):
            pairs = zip(other.value.keys, other.value.values, strict=True)
            begun |= any(text_of(key) == "success" and _is_constant(said, False) for key, said in pairs)
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == value.id:
            below_if = any(isinstance(above, ast.If) for above in scope.source.above(other))
            settled |= text_of(target.slice) == "success" and _is_constant(other.value, True) and below_if
    return begun and settled


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_error(scope: Scope, node: ast.Return) -> bool:
    """In an `except`, or an object with an error alone."""
    caught = any(
        isinstance(above, ast.ExceptHandler) for above in scope.source.above(node) if above in set(scope.nodes())
    )
    kind = kind_of(scope, node.value)
    if caught:
        return kind.startswith(("JSON", "text")) and not _is_fallback(scope, node)
    value = scope.resolve(node.value) if node.value is not None else None
    if isinstance(value, ast.Call) and (value.args or value.keywords):
        if any(k.arg in _ERROR_KEYS for k in value.keywords) and scope.source.called(value).endswith("jsonify"):
            return True
        value = (
            scope.resolve(value.args[0])
            if value.args and scope.source.called(value).endswith(("jsonify", "dumps"))
            else None
        )
    keys = [text_of(key) for key in value.keys] if isinstance(value, ast.Dict) else []
    return bool(keys) and keys[0] in _ERROR_KEYS and not _is_none(value)


def _is_none(value: ast.expr | None) -> bool:
    first = value.values[0] if isinstance(value, ast.Dict) else None
    return isinstance(first, ast.Constant) and not first.value


def _is_fallback(scope: Scope, node: ast.Return) -> bool:
    """Whether the except answers with what the model said after all."""
    return isinstance(node.value, ast.Name) and scope.value(node.value) is None


def _has_status(handler: Handler, scope: Scope, value: ast.expr) -> bool:
    """Whether a status is given at all, be it one that cannot be read here."""
    value = scope.resolve(value)
    if isinstance(value, ast.Tuple):
        status = value.elts[1] if len(value.elts) > 1 else None
        return handler.app.framework == "flask" and not (isinstance(status, ast.Constant) and status.value == 200)
    if isinstance(value, ast.Call):
        given = argument(value, "status") or argument(value, "status_code")
        name = scope.source.full_name(value.func)
        made = name.endswith(("make_response", "Response", "abort")) and len(value.args) > 1
        return (
            given is not None
            or made
            or not name.endswith(("jsonify", "dumps", "str", "JSONResponse", "Response", "format"))
        )
    if isinstance(value, ast.Name):
        return any(
            isinstance(n, ast.Attribute) and n.attr == "status_code" and isinstance(n.ctx, ast.Store)
            for n in scope.nodes()
        )
    response = [
        n
        for n in scope.nodes()
        if isinstance(n, ast.Attribute) and n.attr == "status_code" and isinstance(n.ctx, ast.Store)
    ]
    return bool(response)


def check_state(analysis: Analysis) -> None:
    """GET handlers that write."""
    for handler in analysis.handlers:
        if handler.methods != ("GET",):
            continue
        for scope in analysis.scopes[handler]:
            for call in scope.calls():
                if changed := _changes(analysis, scope, call):
                    what = (
                        f"GET {handler.path} changes something ({changed}): crawlers, previews and retries do it, too"
                    )
                    analysis.found(
                        "changing-get", "risk", scope.source, call, (what, "answer it under POST, PUT or DELETE")
                    )


def _changes(analysis: Analysis, scope: Scope, call: ast.Call) -> str:
    name = analysis.name(scope.source, call.func)
    if name in _CHANGING_CALLS:
        return name
    if name == "open":
        mode = text_of(argument(call, "mode", 1)) or "r"
        return f"open(…, {mode!r})" if set(mode) & set("wax+") else ""
    if not isinstance(call.func, ast.Attribute):
        return ""
    if call.func.attr in ("execute", "executescript") and call.args:
        query = text_of(scope.resolve(call.args[0])) or _head(call.args[0])
        found = _WRITES.match(query)
        return found[1].upper() if found else ""
    return f".{call.func.attr}()" if call.func.attr in _CHANGES else ""


def _head(node: ast.expr) -> str:
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
    return text_of(first) or ""

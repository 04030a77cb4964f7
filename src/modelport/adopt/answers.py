"""What a handler answers with, return by return."""

from __future__ import annotations

import ast

from modelport.adopt.flow import Scope
from modelport.adopt.source import Function

_NAMED = {
    "flask.jsonify": "JSON",
    "flask.json.jsonify": "JSON",
    "json.dumps": "JSON as text",
    "flask.render_template": "template",
    "flask.render_template_string": "template",
    "flask.redirect": "redirect",
    "flask.send_file": "file",
    "flask.send_from_directory": "file",
    "flask.url_for": "text",
    "flask.make_response": "response",
    "flask.Response": "response",
    "str": "text",
}
_BY_ENDING = {
    "JSONResponse": "JSON",
    "ORJSONResponse": "JSON",
    "UJSONResponse": "JSON",
    "TemplateResponse": "template",
    "RedirectResponse": "redirect",
    "FileResponse": "file",
    "StreamingResponse": "stream",
    "HTMLResponse": "HTML",
    "PlainTextResponse": "text",
}


def returns_of(scope: Scope) -> list[ast.Return]:
    """The `return` statements of a function, in the order of the text."""
    return sorted((n for n in scope.nodes() if isinstance(n, ast.Return)), key=lambda n: n.lineno)


def kind_of(scope: Scope, node: ast.expr | None) -> str:
    """JSON, template, redirect … of what is returned, with the keys of a JSON object where they are written out."""
    if node is None:
        return "nothing"
    node = scope.resolve(node)
    if isinstance(node, ast.Tuple) and node.elts:
        return kind_of(scope, node.elts[0])
    if isinstance(node, ast.Dict | ast.DictComp):
        return f"JSON {_keys(node)}".strip()
    if isinstance(node, ast.List | ast.ListComp):
        return "JSON list"
    if isinstance(node, ast.JoinedStr | ast.Constant):
        return "text" if isinstance(node, ast.JoinedStr) or isinstance(node.value, str) else "value"
    if not isinstance(node, ast.Call):
        return "value"
    name = scope.project.full_name(scope.source, node.func)
    kind = _NAMED.get(name) or _BY_ENDING.get(name.rpartition(".")[2])
    if isinstance(node.func, ast.Attribute):
        kind = kind or _BY_ENDING.get(node.func.attr)
    if kind in ("JSON", "JSON as text"):
        body = (
            scope.resolve(node.args[0])
            if node.args
            else next((k.value for k in node.keywords if k.arg == "content"), None)
        )
        keywords = ", ".join(k.arg for k in node.keywords if k.arg) if name.endswith("jsonify") else ""
        return f"{kind} {{{keywords}}}" if keywords else f"{kind} {_keys(body)}".strip()
    if kind == "template":
        given = [a.value for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
        return f"template {next((g for g in given if isinstance(g, str)), '')}".strip()
    return kind or _of_own(scope, node) or "value"


def _of_own(scope: Scope, call: ast.Call) -> str:
    """What a call of the application's own makes: an object of a class with fields, or the parts of a generator."""
    found = scope.project.definition(scope.project.full_name(scope.source, call.func))
    if found and isinstance(found[1], ast.ClassDef) and any(isinstance(s, ast.AnnAssign) for s in found[1].body):
        names = [keyword.arg or "…" for keyword in call.keywords]
        return f"JSON {{{', '.join(names)}}}" if names else "JSON"
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    inner = [n for n in ast.walk(scope.function) if isinstance(n, Function) and n.name == name]
    called = inner[0] if inner else found[1] if found else None
    yields = called is not None and any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(called))
    return "stream" if isinstance(called, Function) and yields else ""


def _keys(node: ast.expr | None) -> str:
    if not isinstance(node, ast.Dict):
        return "list" if isinstance(node, ast.List | ast.ListComp) else ""
    keys = [key.value if isinstance(key, ast.Constant) else "…" for key in node.keys]
    return "{" + ", ".join(map(str, keys)) + "}"


def read_answers(scope: Scope) -> tuple[str, ...]:
    """Every kind of answer of a handler, each once."""
    return tuple(dict.fromkeys(kind_of(scope, node.value) for node in returns_of(scope)))

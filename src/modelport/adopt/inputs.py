"""How a handler takes its input: which part of the request, and which names of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from modelport.adopt.facts import Input
from modelport.adopt.flow import Scope
from modelport.adopt.project import Project
from modelport.adopt.routes import Handler
from modelport.adopt.source import Source, text_of

FLASK_PARTS = {
    "flask.request.json": "json",
    "flask.request.form": "form",
    "flask.request.args": "query",
    "flask.request.values": "form or query",
    "flask.request.files": "files",
    "flask.request.headers": "headers",
    "flask.request.cookies": "cookies",
    "flask.request.data": "body",
}
_FLASK_CALLS = {"flask.request.get_json": "json", "flask.request.get_data": "body"}
_FASTAPI_CALLS = {"json": "json", "form": "form", "body": "body"}
_MARKERS = {
    "Form": "form",
    "File": "files",
    "Query": "query",
    "Path": "path",
    "Header": "headers",
    "Cookie": "cookies",
    "Body": "json",
}
_PLAIN = {"int", "float", "str", "bool", "date", "datetime", "UUID", "Optional", "Union", "Literal"}


def source_of(scope: Scope, node: ast.expr) -> str:
    """Which part of the request an expression is: `json`, `form` …; empty where it is none."""
    node = scope.resolve(node)
    if isinstance(node, ast.Await):
        node = scope.resolve(node.value)
    full = scope.project.full_name(scope.source, node)
    if full in FLASK_PARTS:
        return FLASK_PARTS[full]
    if isinstance(node, ast.Call):
        called = scope.project.full_name(scope.source, node.func)
        if called in _FLASK_CALLS:
            return _FLASK_CALLS[called]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in _FASTAPI_CALLS and is_request(scope, node.func.value):
                return _FASTAPI_CALLS[node.func.attr]
            if node.func.attr == "to_dict":
                return source_of(scope, node.func.value)
        if called in ("dict", "json.loads", "OrderedDict", "collections.OrderedDict") and node.args:
            part = source_of(scope, node.args[0])
            return "json" if called == "json.loads" and part else part
    if isinstance(node, ast.Attribute) and is_request(scope, node.value):
        return {"query_params": "query", "path_params": "path", "headers": "headers", "cookies": "cookies"}.get(
            node.attr, ""
        )
    if isinstance(node, ast.Name) and node.id in scope.parameters:
        return _untyped(scope, scope.parameters[node.id])
    if isinstance(node, ast.BoolOp):
        return next(filter(None, (source_of(scope, value) for value in node.values)), "")
    return ""


def is_request(scope: Scope, node: ast.expr) -> bool:
    """Whether it is the Request of FastAPI."""
    if not isinstance(node, ast.Name) or node.id not in scope.parameters:
        return False
    return scope.source.full_name(scope.parameters[node.id].annotation).endswith("Request")


def _untyped(scope: Scope, parameter: ast.arg) -> str:
    text = ast.unparse(parameter.annotation) if parameter.annotation else ""
    return "json" if re.fullmatch(r"(dict|Dict|typing\.Dict|Mapping)(\[.*\])?", text) else ""


def key_of_part(scope: Scope, node: ast.expr) -> tuple[str, str] | None:
    """`("json", "tempo")` for `data["tempo"]`, `request.form.get("tempo")` and the like."""
    if isinstance(node, ast.Subscript):
        name = text_of(scope.resolve(node.slice))
        part = source_of(scope, node.value) if name is not None else ""
        return (part, name) if part and name is not None else None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "getlist", "pop")
        and node.args
    ):
        name = text_of(scope.resolve(node.args[0]))
        part = source_of(scope, node.func.value) if name is not None else ""
        return (part, name) if part and name is not None else None
    return None


def read_inputs(project: Project, handler: Handler, scopes: list[Scope]) -> tuple[Input, ...]:
    """Every part of the request that a handler, or a function it calls, asks for."""
    found: dict[tuple[str, str], list[str]] = {}
    for scope in scopes:
        for node in scope.nodes():
            if not isinstance(node, ast.expr):
                continue
            if pair := key_of_part(scope, node):
                names = found.setdefault((pair[0], ""), [])
                names += [pair[1]] if pair[1] not in names else []
            elif _is_part(scope, node):
                found.setdefault((source_of(scope, node), ""), [])
    for part, name, kind in _parameters(project, handler):
        found.setdefault((part, kind), []).append(name)
    return tuple(Input(part, tuple(names), kind) for (part, kind), names in found.items())


def _is_part(scope: Scope, node: ast.expr) -> bool:
    """A part as it is asked for; names that stand for it are left out."""
    return not isinstance(node, ast.Name | ast.Await | ast.BoolOp) and bool(source_of(scope, node))


def _parameters(project: Project, handler: Handler) -> Iterator[tuple[str, str, str]]:
    """Part, name and type of each parameter of a handler."""
    in_path = (
        set(re.findall(r"[<{](?:[^:<>{}]+:)?(\w+)", handler.path))
        if handler.app.framework == "flask"
        else set(re.findall(r"{(\w+)", handler.path))
    )
    arguments = handler.function.args
    defaults = dict(zip([a.arg for a in arguments.args][::-1], arguments.defaults[::-1], strict=False))
    defaults |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    for parameter in (*arguments.args, *arguments.kwonlyargs):
        if parameter.arg in ("self", "cls"):
            continue
        if parameter.arg in in_path:
            yield "path", parameter.arg, ""
        elif handler.app.framework == "fastapi":
            yield from _fastapi(project, handler.source, parameter, defaults.get(parameter.arg))


def _fastapi(
    project: Project, source: Source, parameter: ast.arg, default: ast.expr | None
) -> Iterator[tuple[str, str, str]]:
    note = ast.unparse(parameter.annotation) if parameter.annotation else ""
    marker = source.called(default).rpartition(".")[2] if default is not None else ""
    marked = re.search(r"\b(Form|File|Query|Path|Header|Cookie|Body|Depends|Security)\(", note)
    marker = marked[1] if marked else marker
    if marker in ("Depends", "Security") or re.search(r"\b(Request|Response|BackgroundTasks|WebSocket|Session)$", note):
        return
    if marker in _MARKERS:
        yield _MARKERS[marker], parameter.arg, ""
    elif "UploadFile" in note:
        yield "files", parameter.arg, ""
    elif fields := fields_of(project, source, parameter.annotation):
        for name in fields:
            yield "json", name, note
    elif re.match(r"(dict|Dict|list|List|typing\.|Any)\b", note) and not re.match(
        r"(typing\.)?(Optional|Union)\[(int|float|str|bool)", note
    ):
        yield "json", parameter.arg, note
    elif not note or re.split(r"\W", note)[0] in _PLAIN:
        yield "query", parameter.arg, ""
    else:
        yield "json", parameter.arg, note


def class_of(project: Project, source: Source, annotation: ast.expr | None) -> tuple[Source, ast.ClassDef] | None:
    """The class of the application behind an annotation; of a list of them, theirs."""
    if isinstance(annotation, ast.Subscript):
        inner = (
            annotation.slice.elts[0]
            if isinstance(annotation.slice, ast.Tuple) and annotation.slice.elts
            else annotation.slice
        )
        return class_of(project, source, inner)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.Name(annotation.value)
    found = project.definition(project.full_name(source, annotation)) if annotation is not None else None
    return (found[0], found[1]) if found and isinstance(found[1], ast.ClassDef) else None


def fields_of(project: Project, source: Source, annotation: ast.expr | None) -> dict[str, str]:
    """Names and types of the fields of a Pydantic model or dataclass, those of its bases first."""
    found = class_of(project, source, annotation)
    if found is None:
        return {}
    source, cls = found
    inherited: dict[str, str] = {}
    for base in cls.bases:
        inherited |= fields_of(project, source, base)
    own = {
        s.target.id: ast.unparse(s.annotation)
        for s in cls.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name) and not s.target.id.startswith("_")
        if "ClassVar" not in ast.unparse(s.annotation) and s.target.id != "model_config"
    }
    return {**inherited, **own}

"""The routes of an application: decorators, `add_url_rule`, `add_api_route`, views that are classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from modelport.adopt.apps import App, Apps
from modelport.adopt.source import Function, Source, argument, text_of, texts_of

VERBS = ("get", "post", "put", "patch", "delete", "head", "options")
_ADDERS = {"add_url_rule": "view_func", "add_api_route": "endpoint"}


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A function behind a path. `decorated` says that it has decorators besides the one that makes it a route."""

    path: str
    methods: tuple[str, ...]
    app: App
    source: Source
    function: Function
    options: ast.Call
    decorated: tuple[str, ...] = ()

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return isinstance(self.function, ast.AsyncFunctionDef)

    @property
    def label(self) -> str:
        """Methods and path."""
        return f"{'|'.join(self.methods)} {self.path}"


def find_handlers(apps: Apps) -> list[Handler]:
    """Every route, in the order of the files."""
    ways = (_decorated, _added, _resources)
    return [handler for source in apps.project for way in ways for handler in way(apps, source)]


def _decorated(apps: Apps, source: Source) -> Iterator[Handler]:
    for function in source.functions():
        for decorator in function.decorator_list:
            if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
                continue
            app = apps.of(source, decorator.func.value)
            verb = decorator.func.attr
            if app is None or verb not in (*VERBS, "route", "api_route", "websocket"):
                continue
            others = tuple(ast.unparse(d) for d in function.decorator_list if not _is_route(apps, source, d))
            yield from _at(decorator, app, source, function, _methods(decorator, verb), others)


def _is_route(apps: Apps, source: Source, node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Attribute) and apps.of(source, called.value) is not None


def _methods(call: ast.Call, verb: str) -> tuple[str, ...]:
    if verb in VERBS:
        return (verb.upper(),)
    if verb == "websocket":
        return ("WEBSOCKET",)
    given = texts_of(argument(call, "methods"))
    return tuple(dict.fromkeys(m.upper() for m in given)) or ("GET",)


def _at(
    call: ast.Call,
    app: App,
    source: Source,
    function: Function,
    methods: tuple[str, ...],
    others: tuple[str, ...],
    written: ast.expr | None = None,
) -> Iterator[Handler]:
    written = written or argument(call, "path", 0) or argument(call, "rule", 0)
    path = text_of(written)
    shown = path if path is not None else f"<{ast.unparse(written)}>" if written is not None else "<unknown>"
    for prefix in app.prefixes or ["(not registered)"]:
        yield Handler(prefix + shown, methods, app, source, function, call, others)


def _added(apps: Apps, source: Source) -> Iterator[Handler]:
    for call in source.calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _ADDERS:
            continue
        app = apps.of(source, call.func.value)
        view = argument(call, _ADDERS[call.func.attr], 2 if call.func.attr == "add_url_rule" else 1)
        if app is None or view is None:
            continue
        name = apps.project.full_name(source, view)
        if found := apps.project.function(name):
            others = tuple(map(ast.unparse, found[1].decorator_list))
            yield from _at(call, app, *found, _methods(call, "route"), others)
        elif isinstance(view, ast.Call) and isinstance(view.func, ast.Attribute) and view.func.attr == "as_view":
            yield from _class_view(apps, app, source, call, view.func.value)


def _class_view(apps: Apps, app: App, source: Source, call: ast.Call, cls: ast.expr) -> Iterator[Handler]:
    """Of a MethodView each method that is named like a verb, of a View `dispatch_request`."""
    found = apps.project.definition(apps.project.full_name(source, cls))
    if found is None or not isinstance(found[1], ast.ClassDef):
        return
    for function in found[1].body:
        if not isinstance(function, Function):
            continue
        others = tuple(map(ast.unparse, function.decorator_list))
        if function.name in VERBS:
            yield from _at(call, app, found[0], function, (function.name.upper(),), others)
        elif function.name == "dispatch_request":
            yield from _at(call, app, found[0], function, _methods(call, "route"), others)


RESOURCE = "add_resource"


def _resources(apps: Apps, source: Source) -> Iterator[Handler]:
    """Classes of Flask-RESTful and Flask-RESTX, whose methods are named like verbs: `api.add_resource(Predict, "/predict")`."""
    app = apps.main
    for call in source.calls() if app is not None and app.framework == "flask" else ():
        if not isinstance(call.func, ast.Attribute) or call.func.attr != RESOURCE or not call.args or app is None:
            continue
        found = apps.project.definition(apps.project.full_name(source, call.args[0]))
        methods = found[1].body if found is not None and isinstance(found[1], ast.ClassDef) else []
        for function in methods:
            if found is not None and isinstance(function, Function) and function.name in VERBS:
                others = tuple(map(ast.unparse, function.decorator_list))
                for path in call.args[1:]:
                    yield from _at(call, app, found[0], function, (function.name.upper(),), others, path)

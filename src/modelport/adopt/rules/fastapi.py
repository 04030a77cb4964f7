"""FastAPI, Starlette and Uvicorn: what they have removed or turned round."""

from __future__ import annotations

import ast

from modelport.adopt.analysis import Analysis
from modelport.adopt.source import Source, argument, text_of

_LIFESPAN = "write a lifespan function and pass it as  FastAPI(lifespan=…)"


def check_fastapi(analysis: Analysis) -> None:
    """Calls that fail, or are on their way out."""
    for source, call, name in analysis.calls():
        if isinstance(call.func, ast.Attribute):
            _check_method(analysis, source, call, call.func)
        if name == "uvicorn.run":
            _check_run(analysis, source, call)


def _check_method(analysis: Analysis, source: Source, call: ast.Call, method: ast.Attribute) -> None:
    if method.attr == "TemplateResponse":
        _check_template(analysis, source, call)
        return
    app = analysis.apps.of(source, method.value)
    if app is None or app.kind != "fastapi" or isinstance(method.value, ast.Attribute):
        return
    if method.attr == "add_event_handler":
        said = ("FastAPI has no add_event_handler any more: this line fails", _LIFESPAN)
        analysis.found("removed-name", "breaks", source, call, said)
    elif method.attr == "route":
        said = (
            "FastAPI has no route() any more: this line fails",
            "write  @app.get(…)  or  @app.api_route(…, methods=[…])",
        )
        analysis.found("removed-name", "breaks", source, call, said)
    elif method.attr == "on_event":
        analysis.found(
            "deprecated", "note", source, call, ("on_event still works, and warns that it will go", _LIFESPAN)
        )


def _check_template(analysis: Analysis, source: Source, call: ast.Call) -> None:
    named = text_of(argument(call, "", 0)) is not None or (not call.args and argument(call, "name") is not None)
    if named and argument(call, "request") is None:
        template = next((a for a in (*call.args, argument(call, "name")) if text_of(a) is not None), None)
        remedy = f"write  TemplateResponse(request, {text_of(template)!r}, {{…}})"
        analysis.found(
            "template-order",
            "breaks",
            source,
            call,
            ("TemplateResponse takes the request first: this call fails", remedy),
        )


def _check_run(analysis: Analysis, source: Source, call: ast.Call) -> None:
    given = argument(call, "app", 0)
    workers = argument(call, "workers")
    many = isinstance(workers, ast.Constant) and isinstance(workers.value, int) and workers.value > 1
    reload = argument(call, "reload")
    again = isinstance(reload, ast.Constant) and reload.value is True
    if isinstance(given, ast.Name | ast.Attribute) and (many or again) and analysis.apps.of(source, given):
        option = "reload" if again else "workers"
        module = source.module
        said = (
            f"uvicorn.run with {option}= and the app itself ends at once: it wants the app as text",
            f'write  uvicorn.run("{module}:{ast.unparse(given)}", {option}=…)',
        )
        analysis.found("uvicorn-app-object", "breaks", source, call, said)

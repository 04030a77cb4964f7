"""Tells a WSGI from an ASGI application by how it is called, and asks its router about a path without calling it."""

from __future__ import annotations

import inspect
from typing import Any

from modelport.errors import ConfigError

WSGI, ASGI = "wsgi", "asgi"


def interface_of(app: Any) -> str | None:
    """`wsgi` for what takes (environ, start_response), `asgi` for what takes (scope, receive, send); None for anything else."""
    if not callable(app) or inspect.isclass(app):
        return None
    call = app if inspect.isroutine(app) else type(app).__call__
    count = _positional(app)
    if count == 3:
        return ASGI
    if inspect.iscoroutinefunction(call):
        return ASGI if count is None else None
    return WSGI if count == 2 else None


def _positional(app: Any) -> int | None:
    """How many arguments it must be given; None where it does not say."""
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed)


def check_interface(app: Any, interface: str | None, place: str) -> str:
    """The interface of an application that is to be mounted. Raises ConfigError with what to do."""
    if interface not in (None, WSGI, ASGI):
        raise ConfigError(f'{place}: interface wants "wsgi" or "asgi", not {interface!r}')
    found = interface or interface_of(app)
    if found is None:
        raise ConfigError(
            f"{place}: {app!r:.80} is no web application: a WSGI one is called with (environ, start_response), an ASGI one with "
            '(scope, receive, send); where it does not show, say interface="wsgi" or interface="asgi"'
        )
    return found


def answers(app: Any, path: str) -> bool | None:
    """Whether the application's router has something for GET at this path; None where it has none that we can ask."""
    if hasattr(app, "url_map"):
        return _flask_answers(app.url_map, path)
    routes = getattr(app, "routes", None)
    if isinstance(routes, list) and all(hasattr(route, "matches") for route in routes):
        return _starlette_answers(routes, path)
    if type(app).__module__.startswith("django."):
        return _django_answers(path)
    inner = getattr(app, "app", None) or getattr(app, "application", None)  # middleware around one
    return answers(inner, path) if callable(inner) and inner is not app else None


def _django_answers(path: str) -> bool:
    from django.urls import Resolver404, resolve

    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _flask_answers(url_map: Any, path: str) -> bool:
    from werkzeug.exceptions import HTTPException, NotFound

    try:
        url_map.bind("localhost").match(path, "GET")
    except NotFound:
        return False
    except HTTPException:  # another method, or a redirect: the path is the application's
        return True
    return True


def _starlette_answers(routes: list[Any], path: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], "query_string": b""}
    return any(route.matches(scope)[0].value for route in routes)

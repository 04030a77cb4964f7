"""Routes of a service that share paths with mounted applications: those that stand in for theirs, and methods that stay theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelport.assembly.failures import answer_call_errors
from modelport.errors import ConfigError
from modelport.mount.call import App, Message
from modelport.mount.inside_flask import InsideFlask
from modelport.mount.inside_starlette import InsideStarlette, let_through
from modelport.mount.threads import OwnThreads
from modelport.routes import Mount


def stand_in(mount: Mount, hosted: App, is_asgi: bool, threads: OwnThreads, busy: Sequence[Message]) -> None:
    """Have the routes that were declared on a mounted application run inside it.

    Raises ConfigError for an application that has no hooks of a kind that we know.
    """
    if not mount.inside:
        return
    if mount.isolate:
        raise ConfigError(
            f"a route is declared inside the application at {mount.prefix or '/'}, which has a process of its own: leave out "
            "isolate=True, or declare the route on the service"
        )
    if is_asgi and isinstance(getattr(getattr(mount.app, "router", None), "routes", None), list):
        let_through(mount.app)
        answer_call_errors(mount.app)
    elif is_asgi or not callable(getattr(mount.app, "preprocess_request", None)):
        raise ConfigError(
            f"a route is declared inside the application at {mount.prefix or '/'}, which is neither Flask's nor FastAPI's nor "
            f"Starlette's but {type(mount.app).__module__}.{type(mount.app).__qualname__}: mount the application itself, "
            "without what is wrapped around it, or declare the route on the service"
        )
    for route in mount.inside:
        inner = getattr(route.app, "inner", route.app)  # a service may be built again
        route.app = (
            InsideStarlette(hosted, mount.prefix, inner)
            if is_asgi
            else InsideFlask(mount.app, mount.prefix, inner, threads, busy)
        )


def leave_other_methods(routes: Any, mounts: Sequence[Mount]) -> None:
    """Where a route of the service has a path of a mounted application, it takes its own methods and leaves the others there.

    Else a form at `GET /predict` would be refused with 405 as soon as `POST /predict` has moved.
    """
    from starlette.routing import Match

    def only_full(matches: Any) -> Any:
        def match(scope: Any) -> Any:
            found, child = matches(scope)
            return (found, child) if found is Match.FULL else (Match.NONE, {})

        match.only_full = True  # type: ignore[attr-defined]
        return match

    for route in routes.routes:
        path = getattr(route, "path", "")
        if any(_covers(mount, path) for mount in mounts) and not hasattr(route.matches, "only_full"):
            route.matches = only_full(route.matches)


def _covers(mount: Mount, path: str) -> bool:
    return not mount.prefix or path == mount.prefix or path.startswith(mount.prefix + "/")

"""Routes of a service that share paths with mounted applications: what stands in for theirs, and what stays theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from modelport.assembly.failures import answer_call_errors
from modelport.errors import ConfigError
from modelport.mount.call import App, Message, Receive, Scope, Send
from modelport.mount.dispatch import local_path
from modelport.mount.inside_flask import InsideFlask
from modelport.mount.inside_starlette import InsideStarlette, let_through
from modelport.mount.interface import answers
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
    """A route of the service takes its own methods of a path, and leaves the others to a mounted application that has it, too.

    Else a form at `GET /predict` would be refused with 405 as soon as `POST /predict` has moved.
    """
    for route in routes.routes if mounts else ():
        if not hasattr(route.matches, "leaves_others"):  # a service may be built again
            route.matches = _leaving(route.matches, mounts)


def _leaving(matches: Callable[[Scope], Any], mounts: Sequence[Mount]) -> Callable[[Scope], Any]:
    from starlette.routing import Match

    def match(scope: Scope) -> Any:
        found, child = matches(scope)
        if found is Match.PARTIAL and any(_has(mount, local_path(scope)) for mount in mounts):
            return Match.NONE, {}
        return found, child

    match.leaves_others = True  # type: ignore[attr-defined]
    return match


def _has(mount: Mount, path: str) -> bool:
    """Whether a mounted application has a path, by any method; yes, where it cannot be asked."""
    if mount.prefix and path != mount.prefix and not path.startswith(mount.prefix + "/"):
        return False
    return answers(mount.app, path[len(mount.prefix) :] or "/") is not False


def keep_slashes(routes: Any, mounts: Sequence[Mount], otherwise: App) -> App:
    """What serves the paths that no route has. FastAPI sends `/songs/` on to a route at `/songs`, and the other way round; here it
    does so only where no mounted application has the very path that was asked for."""
    router = routes.router
    redirects = router.redirect_slashes or hasattr(router.default, "keeps_slashes")  # a service may be built again
    if not mounts or not redirects:
        return otherwise
    router.redirect_slashes = False
    from starlette.datastructures import URL
    from starlette.responses import RedirectResponse

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        other = _other_spelling(routes, scope)
        if other is None or any(_has(mount, local_path(scope)) for mount in mounts):
            await otherwise(scope, receive, send)
        else:
            await RedirectResponse(str(URL(scope=other)))(scope, receive, send)

    serve.keeps_slashes = True  # type: ignore[attr-defined]
    return serve


def _other_spelling(routes: Any, scope: Scope) -> Scope | None:
    """The same request with or without a slash at the end of its path, where a route has that."""
    from starlette.routing import Match

    if scope["type"] != "http" or local_path(scope) == "/":
        return None
    path = scope["path"]
    other = {**scope, "path": path.rstrip("/") if path.endswith("/") else path + "/"}
    found = any(route.matches(other)[0] is not Match.NONE for route in routes.routes)
    return other if found else None

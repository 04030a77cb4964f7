"""What a user puts in front of their routes stands in front of the models, too: middleware and dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modelport.fronts.asgi import ModelportApp
from modelport.fronts.openapi_merge import GUARD

NO_RESPONSES: dict[int | str, dict[str, Any]] = {422: {"description": "as the model says"}}
"""FastAPI would add schemas of its own for a refused parameter."""


def names_of_guards(routes: Any) -> list[str]:
    """Middleware and dependencies of a FastAPI application, as the banner names them."""
    middleware = [_name(m.kwargs.get("dispatch", m.cls)) for m in routes.user_middleware]
    return middleware + [_name(d.dependency) for d in routes.router.dependencies]


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def guard(routes: Any, ours: ModelportApp, models: Iterable[str]) -> None:
    """Have our pages and the models answered inside a FastAPI application: behind its middleware, and models behind its
    dependencies."""
    from starlette.routing import BaseRoute, Match, NoMatchFound

    class Ours(BaseRoute):
        """Our pages, and the models where nothing else is asked of a caller."""

        def matches(self, scope: Any) -> tuple[Match, Any]:
            """Exactly the paths that would be answered directly."""
            is_ours = scope["type"] == "http" and ours.owns(scope["path"])
            return (Match.FULL, {}) if is_ours else (Match.NONE, {})

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            """One request."""
            await ours(scope, receive, send)

        def url_path_for(self, name: str, /, **path_params: Any) -> Any:
            """They have no names: whoever asks for one asks the next route."""
            raise NoMatchFound(name, path_params)

    before = len(routes.router.routes)
    if routes.router.dependencies:
        for path in [*(f"/models/{name}/predict" for name in models), "/predict"]:
            if path in ours.predict:
                routes.add_api_route(path, _asking(ours), methods=["POST"], responses=NO_RESPONSES, openapi_extra=GUARD)
    own = routes.router.routes
    own[:] = [*own[before:], Ours(), *own[:before]]


def _asking(ours: ModelportApp) -> Any:
    from fastapi import Request, Response

    class Asked(Response):
        """The answer of a model, given once the dependencies have let the caller through."""

        def __init__(self, body: bytes) -> None:
            super().__init__()
            self._asked = body

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            """Ask; a dependency may have read the body, so it is given again."""
            parts = [{"type": "http.request", "body": self._asked, "more_body": False}]

            async def again() -> Any:
                return parts.pop() if parts else await receive()

            await ours(scope, again, send)

    async def predict(request: Request) -> Response:
        return Asked(await request.body())

    predict.__annotations__ = {"request": Request, "return": Response}  # they are local names
    return predict

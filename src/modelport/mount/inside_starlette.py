"""Routes that stand in for those of a mounted Starlette or FastAPI application: behind its middleware, with its handlers."""

from __future__ import annotations

from typing import Any

from modelport.mount.call import App, Receive, Scope, Send

KEY = "modelport.inside"
"""In the scope of a request on its way through the application: the route that it is for."""


class InsideStarlette:
    """ASGI: `inner`, reached through all that an application has around its own routes."""

    def __init__(self, app: App, prefix: str, inner: App) -> None:
        self.inner = inner
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. The router is the application's, so that `url_for` finds its names."""
        root = scope.get("root_path", "") + self._prefix
        through = {key: value for key, value in scope.items() if key != "router"}
        await self._app({**through, "root_path": root, KEY: self.inner}, receive, send)


def let_through(starlette: Any) -> None:
    """Give an application's router one route in front, which takes the requests that come for a route inside it."""
    from starlette.routing import BaseRoute, Match, NoMatchFound

    class Inside(BaseRoute):
        """No path of its own."""

        def matches(self, scope: Any) -> tuple[Match, Any]:
            """What carries its route with it, and nothing else."""
            return (Match.FULL, {}) if KEY in scope else (Match.NONE, {})

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            """One request."""
            await scope[KEY](scope, receive, send)

        def url_path_for(self, name: str, /, **path_params: Any) -> Any:
            """No name either."""
            raise NoMatchFound(name, path_params)

    routes = starlette.router.routes
    if not any(type(route).__qualname__ == Inside.__qualname__ for route in routes):
        routes.insert(0, Inside())

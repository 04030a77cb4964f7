"""A service's routes and mounted applications as the one application of the web lane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from modelport.assembly.failures import answer_call_errors, context_of_request
from modelport.assembly.guards import guard, names_of_guards
from modelport.assembly.inside import keep_slashes, leave_other_methods, stand_in
from modelport.assembly.mounted import Lived, busy, host
from modelport.config import ServeOptions
from modelport.errors import ConfigError
from modelport.fronts.asgi import ModelportApp
from modelport.fronts.service_pages import PREFIX, PROBES
from modelport.kernel.context import current
from modelport.mount.call import App, Receive, Scope, Send
from modelport.mount.dispatch import Mounts, local_path
from modelport.mount.interface import answers
from modelport.mount.lifespan import Lifespan
from modelport.mount.threads import OwnThreads, ThreadLane
from modelport.routes import Mount
from modelport.service import Service


@dataclass(slots=True)
class WebApplication:
    """What the web lane runs, and what the worker must know of it."""

    app: App
    lifespans: list[Lived]
    taken: frozenset[str] = frozenset()
    """Paths of ours that the user's code answers."""
    guards: list[str] = field(default_factory=list)
    """What stands in front of the models, too."""
    mounts: list[str] = field(default_factory=list)
    routes: int = 0
    document: Callable[[], dict[str, Any]] | None = None
    """The routes' own OpenAPI document."""

    default_deadline_s: float = inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket. Models that its code calls keep to the request's deadline and have its id."""
        if scope["type"] == "http":
            current.set(context_of_request(dict(scope["headers"]), self.default_deadline_s))
        await self.app(scope, receive, send)

    def describe(self) -> dict[str, Any]:
        """What the banner needs of it."""
        moved = sorted(path for path in self.taken if not path.endswith("/predict"))
        return {"routes": self.routes, "mounts": self.mounts, "guards": self.guards, "moved": moved}

    async def startup(self) -> None:
        """Every lifespan, in the order of declaration."""
        for lifespan in self.lifespans:
            await lifespan.startup()

    async def shutdown(self) -> None:
        """Every lifespan, backwards."""
        for lifespan in reversed(self.lifespans):
            await lifespan.shutdown()


def build_web(
    service: Service,
    options: ServeOptions,
    ours: ModelportApp,
    models: Iterable[str],
    places: Mapping[str, str] | None = None,
) -> WebApplication:
    """The application behind everything that is not answered directly. `ours` answers our own paths inside it.

    `places`: the addresses of applications in processes of their own; None where there are no such processes, and they run here.

    Raises ConfigError for what cannot be mounted, or a route at the path of a model.
    """
    bounds = (
        options.web_threads,
        options.web_queue,
    )  # of each: no application waits for another, and what has moved for none
    hosted = [host(mount, ThreadLane(*bounds), options, places) for mount in service.mounts]
    for each in hosted:
        stand_in(each.mount, each.app, each.is_asgi, OwnThreads(*bounds), busy())
    routes = service._web
    mounts = Mounts([(each.mount.prefix, each.app) for each in hosted], or_nowhere(ours, routes))
    _refuse_paths(routes, models)
    paths = [*ours.gets, *ours.predict]
    taken = frozenset(path for path in paths if _is_taken(path, routes, service.mounts))
    for path in taken:
        ours.gets.pop(path, None)  # type: ignore[attr-defined]
        ours.predict.pop(path, None)  # type: ignore[attr-defined]
    lifespans = [each.lifespan for each in hosted if each.lifespan is not None]
    web = WebApplication(
        mounts, lifespans, taken, mounts=[each.text for each in hosted], default_deadline_s=options.default_deadline
    )
    named = any(mount.route_name for mount in service.mounts)
    if routes is not None or service.dependencies or service.lifespan or named:
        routes = service.web
        web.routes = len(paths_of(routes))
        routes.router.default = keep_slashes(routes, service.mounts, mounts)
        leave_other_methods(routes, service.mounts)
        answer_call_errors(routes)
        name_mounts(routes, service.mounts)
        web.app = Lifespan(routes)
        lifespans.insert(0, web.app)
        web.guards, web.document = names_of_guards(routes), routes.openapi
        if web.guards:
            guard(routes, ours, models)
    return web


# -- what FastAPI's own router would know ------------------------------------------------------------------------------


def name_mounts(routes: Any, mounts: Iterable[Mount]) -> None:
    """Have `url_for` find mounted applications by their names. They are served elsewhere."""
    from starlette.routing import Match
    from starlette.routing import Mount as Prefix

    class Named(Prefix):
        """Has an address, and serves nothing."""

        def matches(self, scope: Any) -> tuple[Match, Any]:
            """No path."""
            return Match.NONE, {}

    routes.router.routes += [Named(m.prefix, app=m.app, name=m.route_name) for m in mounts if m.route_name]


def or_nowhere(ours: ModelportApp, routes: Any) -> App:
    """Where a service has a handler of its own for 404, that answers at the paths of nobody."""
    if routes is None or not _handles_404(routes):
        return ours
    from starlette.exceptions import HTTPException

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not ours.owns(local_path(scope)):
            raise HTTPException(404)
        await ours(scope, receive, send)

    return serve


def _handles_404(routes: Any) -> bool:
    from fastapi.exception_handlers import http_exception_handler
    from starlette.exceptions import HTTPException

    handlers = routes.exception_handlers
    return 404 in handlers or handlers.get(HTTPException) is not http_exception_handler


# -- whose path it is ------------------------------------------------------------------------------------------------


def _refuse_paths(routes: Any, models: Iterable[str]) -> None:
    own = {f"/models/{name}/predict" for name in models}
    for path in paths_of(routes) if routes is not None else ():
        if path in own:
            raise ConfigError(f"a route is declared at {path}, which is the model's own path: give it another")
        if path and not path.startswith("/"):
            raise ConfigError(f"a route is declared at {path!r}, where no request comes: write  {'/' + path!r}")


def paths_of(routes: Any) -> list[str]:
    """Of every route. A router that is included is one of FastAPI's routes, and holds as many as it likes."""
    found: list[str] = []
    for route in routes.routes:
        included = getattr(route, "effective_route_contexts", None)  # since FastAPI keeps them together
        each_of = [route] if included is None else included()
        found += [getattr(getattr(each, "starlette_route", None) or each, "path", "") for each in each_of]
    return found


def _is_taken(path: str, routes: Any, mounts: list[Mount]) -> bool:
    """Whether the user's code answers a path of ours: what they declare wins, save for what a model is called by."""
    if path.startswith((PREFIX, "/models/")):
        return False
    if routes is not None and answers(routes, path):
        return True
    return any(_takes(mount, path) for mount in mounts)


def _takes(mount: Mount, path: str) -> bool:
    """An application at the root takes all that is not a probe or a model; these only where its router has them.

    One whose router cannot be asked leaves the probes to us: who starts the process waits for them.
    """
    if mount.prefix:
        return path == mount.prefix or path.startswith(mount.prefix + "/")
    if path in PROBES or path == "/predict":
        return answers(mount.app, path) is True
    return True

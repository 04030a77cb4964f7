"""A service's routes and mounted applications as the one application of the web lane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from modelport.assembly.failures import answer_call_errors, context_of_request
from modelport.assembly.guards import guard, names_of_guards
from modelport.assembly.inside import leave_other_methods, stand_in
from modelport.config import ServeOptions
from modelport.errors import ConfigError, Overloaded
from modelport.fronts.asgi import ModelportApp
from modelport.fronts.exchange import JSON_TYPE
from modelport.fronts.service_pages import PREFIX, PROBES
from modelport.fronts.status import error_body
from modelport.kernel.context import current
from modelport.mount.call import App, Message, Receive, Scope, Send
from modelport.mount.dispatch import Mounts
from modelport.mount.interface import WSGI, answers, check_interface
from modelport.mount.lifespan import Lifespan
from modelport.mount.threads import OwnThreads, ThreadLane
from modelport.mount.wsgi import WsgiApp
from modelport.routes import Mount
from modelport.service import Service


@dataclass(slots=True)
class WebApplication:
    """What the web lane runs, and what the worker must know of it."""

    app: App
    lifespans: list[Lifespan]
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


def build_web(service: Service, options: ServeOptions, ours: ModelportApp, models: Iterable[str]) -> WebApplication:
    """The application behind everything that is not answered directly. `ours` answers our own paths inside it.

    Raises ConfigError for what cannot be mounted, or a route at the path of a model.
    """
    threads = ThreadLane(options.web_threads, options.web_queue)
    hosted = [_host(mount, threads) for mount in service.mounts]
    own_threads = OwnThreads(options.web_threads, options.web_queue)  # what has moved never waits for what has not
    for mount, app, is_asgi in hosted:
        stand_in(mount, app, is_asgi, own_threads, _busy())
    mounts = Mounts([(mount.prefix, app) for mount, app, _ in hosted], ours)
    routes = service._web
    _refuse_routes_of_models(routes, models)
    paths = [*ours.gets, *ours.predict]
    taken = frozenset(path for path in paths if _is_taken(path, routes, service.mounts))
    for path in taken:
        ours.gets.pop(path, None)  # type: ignore[attr-defined]
        ours.predict.pop(path, None)  # type: ignore[attr-defined]
    lifespans = [app for _, app, _ in hosted if isinstance(app, Lifespan)]
    described = [_describe(*entry) for entry in hosted]
    web = WebApplication(mounts, lifespans, taken, mounts=described, default_deadline_s=options.default_deadline)
    if routes is not None or service.dependencies or service.lifespan:
        routes = service.web
        web.routes = len(routes.routes)
        routes.router.default = mounts
        leave_other_methods(routes, service.mounts)
        answer_call_errors(routes)
        web.app = Lifespan(routes)
        lifespans.insert(0, web.app)
        web.guards, web.document = names_of_guards(routes), routes.openapi
        if web.guards:
            guard(routes, ours, models)
    return web


def _host(mount: Mount, threads: ThreadLane) -> tuple[Mount, App, bool]:
    """The application at a prefix, as an ASGI one, and whether it is one itself."""
    where = mount.prefix or "/"
    if check_interface(mount.app, mount.interface, f"service.mount({where!r}, …)") == WSGI:
        _tell_prefix(mount)
        return mount, WsgiApp(mount.app, threads, _busy()), False
    return mount, Lifespan(mount.app), True


def _tell_prefix(mount: Mount) -> None:
    """A Flask application below a prefix keeps its session cookie there, or two of them would overwrite each other's."""
    config = getattr(mount.app, "config", None)
    if mount.prefix and isinstance(config, Mapping) and config.get("APPLICATION_ROOT") == "/":
        mount.app.config["APPLICATION_ROOT"] = mount.prefix


def _busy() -> list[Message]:
    body = error_body(
        Overloaded("Overloaded: every thread for mounted applications is taken, and too many requests wait")
    )
    headers = [JSON_TYPE, (b"retry-after", b"1"), (b"content-length", b"%d" % len(body))]
    return [
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


def _describe(mount: Mount, app: App, is_asgi: bool) -> str:
    kind = (
        f"{type(mount.app).__module__.partition('.')[0]} application"
        if not hasattr(mount.app, "__code__")
        else "application"
    )
    return f"{mount.prefix or '/'} {kind} ({'ASGI' if is_asgi else 'WSGI'})"


# -- whose path it is ------------------------------------------------------------------------------------------------


def _refuse_routes_of_models(routes: Any, models: Iterable[str]) -> None:
    own = {f"/models/{name}/predict" for name in models}
    for route in routes.routes if routes is not None else ():
        if getattr(route, "path", None) in own:
            raise ConfigError(f"a route is declared at {route.path}, which is the model's own path: give it another")


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

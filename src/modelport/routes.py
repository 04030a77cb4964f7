"""What a service has of a web framework: FastAPI's own decorators and settings, under the same names, and mounted applications.

FastAPI is imported when the first of them is used: a service without routes of its own does without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from modelport.errors import ConfigError, MissingExtra
from modelport.kernel.context import own_thread
from modelport.kernel.names import MOUNTED

if TYPE_CHECKING:
    from fastapi import FastAPI

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Mount:
    """An application at a prefix; the empty prefix is everything. `interface`: wsgi or asgi; None where it shows. `isolate`: in a
    process of its own. `route_name`: for `url_for`."""

    prefix: str
    app: Any
    interface: str | None = None
    isolate: bool = False
    route_name: str | None = None
    inside: list[Any] = field(default_factory=list)
    """Routes that stand in for the application's own: FastAPI's route objects."""

    @property
    def name(self) -> str:
        """What its process is called, where it has one."""
        return f"{MOUNTED}{self.prefix or '/'}"


class Mounted:
    """A mounted application. Its routes move out of it one at a time: what is declared here is answered in its stead.

        shop = service.mount("/", flask_app)

        @shop.post("/predict")                     # FastAPI's decorator: typed, documented, and it can await models
        async def predict(song: Song) -> Genre:
            if "user" not in flask.session: ...     # of the application, as it was there

    Paths are below the application's prefix. Around the route runs what the application has around its own: in Flask its session,
    `g` and the functions before and after a request, in FastAPI and Starlette its middleware and exception handlers.
    """

    def __init__(self, service: WebSurface, mount: Mount) -> None:
        self._service = service
        self._mount = mount

    def api_route(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route; the options are those of FastAPI's `api_route`, such as `methods` and `response_model`."""
        if not path.startswith("/"):
            raise ConfigError(f"a route inside a mounted application wants a path such as {'/' + path!r}, not {path!r}")
        web = self._service.web
        guards = getattr(getattr(self._mount.app, "router", None), "dependencies", None)
        if guards:  # of all routes of a FastAPI application: of those that move, too
            options["dependencies"] = [*guards, *(options.get("dependencies") or ())]

        def declare(handler: Handler) -> Handler:
            web.add_api_route(self._mount.prefix + path, _in_own_thread(handler), **options)
            self._mount.inside.append(web.router.routes[-1])
            return handler

        return declare

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route for GET."""
        return self.api_route(path, methods=["GET"], **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route for POST."""
        return self.api_route(path, methods=["POST"], **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route for PUT."""
        return self.api_route(path, methods=["PUT"], **options)

    def patch(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route for PATCH."""
        return self.api_route(path, methods=["PATCH"], **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a route for DELETE."""
        return self.api_route(path, methods=["DELETE"], **options)


def _in_own_thread(handler: Any) -> Any:
    """A plain function, run where the hooks of its request run: what they have opened may be bound to their thread."""
    if (
        not isfunction(handler)
        or iscoroutinefunction(handler)
        or isgeneratorfunction(handler)
        or isasyncgenfunction(handler)
    ):
        return handler

    @wraps(handler)
    async def run(*args: Any, **fields: Any) -> Any:
        step = partial(handler, *args, **fields)
        own = own_thread.get()
        if own is not None:
            return await own(step)
        from starlette.concurrency import run_in_threadpool

        return await run_in_threadpool(step)

    return run


class Delegated(Generic[Parameters, Result]):
    """A method of the service's FastAPI application."""

    def __init__(self, like: Callable[Concatenate[Any, Parameters], Result] | None = None) -> None:
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, service: Any, owner: type | None = None) -> Callable[Parameters, Result]:
        if service is None:
            return self  # type: ignore[return-value]
        method: Callable[Parameters, Result] = getattr(service.web, self._name)
        return method


class WebSurface:
    """The part of a service that is a web framework."""

    if TYPE_CHECKING:  # so that editors know every parameter
        _web: FastAPI | None
        name: str
        dependencies: Any
        lifespan: Any
        mounts: list[Mount]

        get = Delegated(FastAPI.get)
        post = Delegated(FastAPI.post)
        put = Delegated(FastAPI.put)
        patch = Delegated(FastAPI.patch)
        delete = Delegated(FastAPI.delete)
        options = Delegated(FastAPI.options)
        head = Delegated(FastAPI.head)
        trace = Delegated(FastAPI.trace)
        websocket = Delegated(FastAPI.websocket)
        api_route = Delegated(FastAPI.api_route)
        add_api_route = Delegated(FastAPI.add_api_route)
        include_router = Delegated(FastAPI.include_router)
        middleware = Delegated(FastAPI.middleware)

        def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
            """FastAPI's: the arguments after the class are the middleware's own."""

        exception_handler = Delegated(FastAPI.exception_handler)
        add_exception_handler = Delegated(FastAPI.add_exception_handler)
        url_path_for = Delegated(FastAPI.url_path_for)
    else:
        __slots__ = ()
        get, post, put, patch, delete, options, head, trace = (Delegated() for _ in range(8))
        websocket, api_route, add_api_route, include_router = (Delegated() for _ in range(4))
        middleware, add_middleware = Delegated(), Delegated()
        exception_handler, add_exception_handler, url_path_for = (Delegated() for _ in range(3))

    @property
    def web(self) -> FastAPI:
        """The FastAPI application behind the routes, made when it is first asked for. Raises MissingExtra without FastAPI."""
        if self._web is None:
            self._web = _make_web(self)
        return self._web

    @property
    def state(self) -> Any:
        """What `request.app.state` is in a route."""
        return self.web.state

    @property
    def serves_web(self) -> bool:
        """Whether there is anything beside the models: routes, middleware, dependencies, a lifespan, mounted applications."""
        return bool(self._web is not None or self.mounts or self.dependencies or self.lifespan)

    def mount(
        self,
        prefix: str,
        app: Any,
        *,
        name: str | None = None,
        interface: str | None = None,
        isolate: bool = False,
    ) -> Mounted:
        """Serve a WSGI or ASGI application, Flask's or anybody's, below `prefix`; "/" is everything that nobody else serves.

        What returns declares typed routes that stand in for the application's own, see `Mounted`.

        `name`: by which `url_for(name, path=…)` finds it, in routes and templates.
        `interface`: "wsgi" or "asgi", where the way the application is called does not show which it is.
        `isolate`: run it in a process of its own, for all workers, so that models, probes and other routes feel nothing of what it
        does; if it ends, it is replaced.
        Raises ConfigError for a prefix that is none, or is taken.
        """
        if not isinstance(prefix, str) or not prefix.startswith("/") or "//" in prefix or "{" in prefix:
            raise ConfigError(f'mount wants a prefix such as "/legacy", not {prefix!r}')
        prefix = prefix.rstrip("/")
        if any(mount.prefix == prefix for mount in self.mounts):
            raise ConfigError(f"something is mounted at {prefix or '/'} already")
        if not isinstance(isolate, bool):
            raise ConfigError(f"isolate wants True or False, not {isolate!r:.60}")
        mount = Mount(prefix, app, interface, isolate, name)
        self.mounts.append(mount)
        return Mounted(self, mount)


def _make_web(service: WebSurface) -> FastAPI:
    try:
        from fastapi import FastAPI
    except ModuleNotFoundError:
        raise MissingExtra("a service with routes of its own", "web") from None
    return FastAPI(
        title=service.name,
        dependencies=list(service.dependencies or ()),
        lifespan=service.lifespan,
        openapi_url=None,  # one document and one pair of pages, with the models: see fronts
        docs_url=None,
        redoc_url=None,
    )

"""Mounted applications: here, in the web lane, or each in a process of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelport.assembly.failures import context_of_request
from modelport.config import ServeOptions
from modelport.errors import CallError, ConfigError, HolderLost, NotReady, Overloaded, SetupError
from modelport.fronts.exchange import JSON_TYPE
from modelport.fronts.status import error_body
from modelport.kernel.context import current
from modelport.mount.call import App, Message, Scope
from modelport.mount.interface import WSGI, check_interface
from modelport.mount.lifespan import Lifespan, StartupFailed
from modelport.mount.remote import AppHost, RemoteApp
from modelport.mount.threads import ThreadLane
from modelport.mount.wsgi import WsgiApp
from modelport.routes import Mount
from modelport.runtime.listeners import connect_unix, is_stranger
from modelport.service import Service

log = logging.getLogger("modelport.web")


class Lived(Protocol):
    """What begins before the first request and ends after the last."""

    async def startup(self) -> None:
        """Raises StartupFailed."""

    async def shutdown(self) -> None:
        """Once everything is answered."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """One mounted application, as the lane calls it, and as the banner names it."""

    mount: Mount
    app: App
    lifespan: Lived | None
    is_asgi: bool
    text: str


def host(mount: Mount, threads: ThreadLane, options: ServeOptions, places: Mapping[str, str] | None) -> Hosted:
    """An application as this process serves it. Raises ConfigError where it is none."""
    interface = check_interface(mount.app, mount.interface, f"service.mount({mount.prefix or '/'!r}, …)")
    text = f"{_describe(mount)} ({interface.upper()})"
    if mount.isolate and places is not None:
        remote = _remote(mount, places, options.default_deadline)
        return Hosted(mount, remote, remote, interface != WSGI, f"{text}, in a process of its own")
    return Hosted(mount, *_here(mount, interface, threads), interface != WSGI, text)


def _here(mount: Mount, interface: str, threads: ThreadLane) -> tuple[App, Lived | None]:
    if interface == WSGI:
        _tell_prefix(mount)
        _tell_unserved(mount)
        return WsgiApp(mount.app, threads, busy()), None
    lifespan = Lifespan(mount.app)
    return lifespan, lifespan


def busy() -> list[Message]:
    """What is answered where no thread is left."""
    return _refusal(
        Overloaded("Overloaded: every thread for mounted applications is taken, and too many requests wait")
    )


def _tell_unserved(mount: Mount) -> None:
    """Name at the start what nobody should find out in production: WSGI hands over no WebSockets."""
    rules: Iterable[Any] = getattr(getattr(mount.app, "url_map", None), "iter_rules", tuple)()
    sockets = sorted(rule.rule for rule in rules if getattr(rule, "websocket", False))
    if sockets:
        where, paths = mount.prefix or "/", ", ".join(sockets)
        log.warning("the application at %s has WebSocket routes, which are not served: %s", where, paths)


def _tell_prefix(mount: Mount) -> None:
    """A Flask application below a prefix keeps its session cookie there, or two of them would overwrite each other's."""
    config = getattr(mount.app, "config", None)
    if mount.prefix and isinstance(config, Mapping) and config.get("APPLICATION_ROOT") == "/":
        mount.app.config["APPLICATION_ROOT"] = mount.prefix


def _refusal(error: CallError) -> list[Message]:
    body = error_body(error)
    headers = [JSON_TYPE, (b"retry-after", b"1"), (b"content-length", b"%d" % len(body))]
    return [
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


def _describe(mount: Mount) -> str:
    kind = (
        f"{type(mount.app).__module__.partition('.')[0]} application"
        if not hasattr(mount.app, "__code__")
        else "application"
    )
    return f"{mount.prefix or '/'} {kind}"


# -- in a process of its own -----------------------------------------------------------------------------------------


def _remote(mount: Mount, places: Mapping[str, str], patience_s: float) -> RemoteApp:
    where = mount.prefix or "/"
    if mount.name not in places:
        raise ConfigError(f"service.mount({where!r}, …, isolate=True): there is no room for a process of its own")
    address = places[mount.name]

    async def connect() -> Any:
        return await asyncio.open_unix_connection(sock=connect_unix(address))

    unreachable = NotReady(f"The application at {where} is being started")
    lost = HolderLost(f"The process of the application at {where} ended while this request was in it")
    return RemoteApp(connect, _refusal(unreachable), _refusal(lost), patience_s)


class MountedProcess:
    """What runs in such a process: one application, with its own threads, and its lifespan."""

    def __init__(self, service: Service, name: str, options: ServeOptions) -> None:
        mount = next(mount for mount in service.mounts if mount.name == name)
        interface = check_interface(mount.app, mount.interface, f"service.mount({mount.prefix or '/'!r}, …)")
        app, self._lifespan = _here(mount, interface, ThreadLane(options.web_threads, options.web_queue))
        self._where = mount.prefix or "/"
        self._options = options
        self._host = AppHost(app, self._enter, is_stranger)

    def _enter(self, scope: Scope) -> None:
        """Models that its code calls keep to the request's deadline and have its id."""
        if scope["type"] == "http":
            current.set(context_of_request(dict(scope["headers"]), self._options.default_deadline))

    async def start(self) -> None:
        """Run what comes before the first request. Raises SetupError."""
        try:
            if self._lifespan is not None:
                await self._lifespan.startup()
        except StartupFailed as failure:
            log.error("the lifespan failed: %s", failure)
            raise SetupError(f"the lifespan of the application at {self._where} failed: {failure.reason}") from None

    async def listen(self, listener: Any) -> None:
        """Serve the workers from now on."""
        await self._host.listen(listener)

    async def drain(self) -> None:
        """Finish what is here, then what comes after the last request."""
        await self._host.drain(self._options.graceful_s)
        if self._lifespan is not None:
            await self._lifespan.shutdown()

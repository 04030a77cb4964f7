"""Finds what a Python file wants served: the service of that name, or a Flask or FastAPI application that is to run unchanged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from modelport.assembly.failures import cause_in_code
from modelport.errors import ArtifactError, ModelportError, SetupError
from modelport.mount.interface import interface_of
from modelport.mount.lane import WebLane
from modelport.mount.lifespan import StartupFailed
from modelport.service import Service

if TYPE_CHECKING:
    from modelport.assembly.web import WebApplication

log = logging.getLogger("modelport.web")

USUAL_NAMES = ("app", "application")


def named_service(module: ModuleType, attribute: str, target: str) -> Service:
    """What `module:attribute` names, or `module:factory()` returns. Raises ArtifactError where it is nothing to serve."""
    name, is_call = (attribute[:-2], True) if attribute.endswith("()") else (attribute, False)
    found = getattr(module, name, None)
    if found is None:
        raise ArtifactError(f"{target}: this module has no {name!r}")
    if is_call:
        found = _call_factory(found, target)
    if isinstance(found, Service):
        return found
    if interface_of(found) is None:
        raise ArtifactError(
            f"{target}: {name!r} is neither a Service nor a WSGI or ASGI application, but a {type(found).__name__}"
            + _call_hint(found, target)
        )
    return _hosting(found, target)


def _call_factory(factory: Any, target: str) -> Any:
    if not callable(factory):
        raise ArtifactError(f"{target}: this is nothing that can be called")
    return factory()


def _call_hint(found: Any, target: str) -> str:
    return f"; if it makes the application, say  {target}()" if callable(found) else ""


def hosting_service(module: ModuleType, where: str) -> Service:
    """A service around the one web application of a module. Raises ArtifactError where there is none, or more than one."""
    usual = [getattr(module, name) for name in USUAL_NAMES if is_application(getattr(module, name, None))]
    found = usual[:1] or [value for value in vars(module).values() if is_application(value)]
    if len(found) > 1:
        names = ", ".join(name for name, value in vars(module).items() if is_application(value))
        raise ArtifactError(f"{where} holds {len(found)} web applications ({names}); name one, as in {where}:app")
    if not found:
        factory = next((n for n in ("create_app", "make_app") if callable(getattr(module, n, None))), None)
        hint = f"; if {factory} makes one, say  {where}:{factory}()" if factory else ""
        raise ArtifactError(f"{where} declares no Service, and holds no Flask, FastAPI or other web application{hint}")
    return _hosting(found[0], where)


def is_application(value: Any) -> bool:
    """Whether this is an instance that is called as WSGI or ASGI wants it; plain functions must be named to be taken for one."""
    return not hasattr(value, "__code__") and not hasattr(value, "__origin__") and interface_of(value) is not None


def _hosting(app: Any, target: str) -> Service:
    where = target.partition(":")[0]
    service = Service(Path(where).stem if where.endswith(".py") else where)
    service.mount("/", app)
    return service


async def start_web(
    lane: WebLane, target: str, bind: Callable[[Service], None], build: Callable[[Service], WebApplication]
) -> WebApplication:
    """Import the service and start its web code, all in the lane's thread. Raises SetupError with the reason where it cannot.

    `bind`: gives the service what carries its calls of models.
    """
    from modelport.assembly.handlers import import_service

    def import_and_build() -> WebApplication:
        service = import_service(target)
        bind(service)
        return build(service)

    try:
        web: WebApplication = await lane.start(import_and_build)
    except ModelportError as known:
        raise SetupError(str(known)) from known
    except StartupFailed as failure:
        log.error("the lifespan failed: %s", failure)
        raise SetupError(f"the lifespan of {target} failed: {failure.reason}") from None
    except BaseException as unknown:
        log.error("starting the web routes failed", exc_info=unknown)
        raise SetupError(f"the web routes of {target} cannot start: {cause_in_code(unknown)}") from None
    return web

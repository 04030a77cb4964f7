"""An application inside a process that is not ours to run: a test, or a WSGI server.

It has the whole life that it has under a server: its lifespan runs, its models load, and its models' threads end with it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelport.assembly.application import Application, build_application, build_service
from modelport.assembly.forms import Opened
from modelport.config import ServeOptions, is_python, refuse_for_service, refuse_remote
from modelport.errors import SetupError
from modelport.fronts.predict import LocalLane
from modelport.fronts.status import simple_error
from modelport.fronts.threaded import NoAnswer, Read, ThreadedCall
from modelport.mount.lifespan import Lifespan, StartupFailed
from modelport.runtime.lifecycle import Slot, State
from modelport.service import Service

Target = str | os.PathLike[str] | Service
OpenStandIn = Callable[[Path, ServeOptions], Opened]
FAILED_BODY = simple_error(("server",), "Internal error", "internal_error")
"""What is answered for an application that has not."""
__all__ = ["FAILED_BODY", "Embedded", "NoAnswer", "Opened", "Target", "ThreadedCall", "embed", "import_target"]


class Embedded:
    """One application, from `startup` to `shutdown`, all on one loop. It is not started again."""

    def __init__(self, application: Application, start: Callable[[], None], restore: Callable[[], None]) -> None:
        self.application = application
        self.asgi = application.asgi()
        self.asgi.start_with(start)
        self._restore = restore
        self._lifespan = Lifespan(self.asgi)
        self._settled = asyncio.Event()
        for slot in application.slots:
            slot.on_change.append(self._on_change)

    @property
    def is_settled(self) -> bool:
        """Whether each model has loaded, or failed to."""
        return all(slot.state is not State.LOADING for slot in self.application.slots)

    @property
    def failed(self) -> list[Slot]:
        """The models that cannot be served."""
        return [slot for slot in self.application.slots if slot.state is State.FAILED]

    async def startup(self) -> None:
        """Begin to load, and run the lifespan of the routes. Raises SetupError where that fails."""
        self.application.board.claim(0, "worker")  # in the process that serves, which a fork may have made since
        try:
            await self._lifespan.startup()
        except StartupFailed as failure:
            raise SetupError(f"the lifespan of {self.application.title} failed: {failure.reason}") from None
        self._on_change()

    async def settle(self) -> None:
        """Wait until each model has loaded, or failed to."""
        await self._settled.wait()

    async def shutdown(self) -> None:
        """Shut the routes down, and let the models' threads end after what they have."""
        await self._lifespan.shutdown()
        for slot in self.application.slots:
            if isinstance(slot.lane, LocalLane):
                slot.lane.scheduler.executor.close()
        self._restore()

    def ask(self, loop: asyncio.AbstractEventLoop, scope: Any, read: Read, wait_s: float | None = None) -> ThreadedCall:
        """A request of a thread that waits; `loop` is the one that it was started on."""
        return ThreadedCall(loop, self.asgi, scope, read, wait_s)

    def release(self) -> None:
        """Let go of the memory that its counters are in, once its loop is closed."""
        with suppress(BufferError, ValueError):
            self.application.board.close()

    def _on_change(self, slot: Slot | None = None) -> None:
        if self.is_settled:
            self._settled.set()


def embed(target: Target, options: ServeOptions, stand_ins: Mapping[str, OpenStandIn] | None = None) -> Embedded:
    """A saved model, or a service, or the Python file that declares one. `stand_ins`: for its saved models.

    Raises SetupError for what can be told without loading them.
    """
    restore: Callable[[], None] = lambda: None  # noqa: E731
    if isinstance(target, Service) or is_python(os.fspath(target)):
        service = target if isinstance(target, Service) else import_target(os.fspath(target), options)
        restore = _as_declared(service)
        application, start = build_service(service, options)
    else:
        refuse_remote(os.fspath(target), options)
        application, start = build_application(Path(target), options)
    application.stand_ins.update(stand_ins or {})
    return Embedded(application, start, restore)


def import_target(target: str, options: ServeOptions) -> Service:
    """The service in a Python file or module. Raises SetupError."""
    from modelport.assembly.handlers import import_service

    refuse_for_service(target, options)
    return import_service(target)


def _as_declared(service: Service) -> Callable[[], None]:
    """Puts a service back to what it was before it was served, so that it can be served again: tests do, one after the other."""
    web = service._web
    routes = None if web is None else _copy_routes(web)

    def restore() -> None:
        service.caller = None
        service._web = web
        if routes is not None:
            web.router.routes[:], web.router.default, web.router.redirect_slashes, web.exception_handlers = routes
            web.middleware_stack = None

    return restore


def _copy_routes(web: Any) -> tuple[list[Any], Any, bool, dict[Any, Any]]:
    return [*web.router.routes], web.router.default, web.router.redirect_slashes, {**web.exception_handlers}

"""Clients of a service that runs in this process: the real application, with its models loaded and its lifespan run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from modelport.assembly.embedded import Embedded, Target, embed, import_target
from modelport.config import is_python, resolve
from modelport.errors import ConfigError, MissingExtra, SetupError
from modelport.runtime.loop_thread import LoopThread
from modelport.service import Service
from modelport.testing.fakes import Complaints, replaced

if TYPE_CHECKING:
    import httpx

LOAD_S = 300.0
ANSWER_S = 60.0
"""A test that hangs says so, rather than being stopped by whoever runs it."""
BASE_URL = "http://localhost"


@contextmanager
def client(
    target: Target, *, fakes: Mapping[str, Any] | None = None, load_s: float = LOAD_S, **options: Any
) -> Iterator[httpx.Client]:
    """An `httpx.Client` of a service: a `Service`, `"app.py"`, a saved model or a bundle. Ready from its first line on.

    No port is opened. Models run in threads of this process, everything else is as it is served: paths, validation, media
    types, errors, routes and their lifespan. `fakes`: what stands in for models, see `Fake`. `load_s`: how long loading may
    take. `options` are those of `modelport.app`.

    Raises SetupError where the service cannot start, or a model cannot be loaded.
    """
    transport = _require_transport()
    import httpx

    with _staged(target, fakes, options) as (embedded, check):
        thread = LoopThread("modelport-testing")
        try:
            thread.run(_start(embedded, load_s))
            with httpx.Client(
                transport=transport.ThreadTransport(thread, embedded, check), base_url=BASE_URL, timeout=ANSWER_S
            ) as api:
                yield api
        finally:
            thread.run(embedded.shutdown())
            thread.stop()
            embedded.release()


@asynccontextmanager
async def async_client(
    target: Target, *, fakes: Mapping[str, Any] | None = None, load_s: float = LOAD_S, **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The same as an `httpx.AsyncClient`, for `async def` tests: the service runs on their own event loop."""
    transport = _require_transport()
    import httpx

    with _staged(target, fakes, options) as (embedded, check):
        try:
            await _start(embedded, load_s)
            async with httpx.AsyncClient(
                transport=transport.LoopTransport(embedded.asgi, check), base_url=BASE_URL, timeout=ANSWER_S
            ) as api:
                yield api
        finally:
            await embedded.shutdown()
            embedded.release()


@contextmanager
def _staged(
    target: Target, fakes: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> Iterator[tuple[Embedded, Callable[[], None]]]:
    """The application with its fakes in place, and what complains of a fake that has answered wrongly."""
    resolved, complaints = resolve(options), Complaints()
    if not isinstance(target, Service) and is_python(os.fspath(target)):
        target = import_target(os.fspath(target), resolved)
    if fakes and not isinstance(target, Service):
        raise ConfigError(
            f"fakes stand in for models of a service, and {os.fspath(target)} is a saved model: declare a service"
        )
    if not isinstance(target, Service):
        yield embed(target, resolved), complaints.check
        return
    with replaced(target, fakes or {}, complaints) as stand_ins:
        yield embed(target, resolved, stand_ins), complaints.check


async def _start(embedded: Embedded, load_s: float) -> None:
    await embedded.startup()
    try:
        await asyncio.wait_for(embedded.settle(), load_s)
    except TimeoutError:
        waiting = [slot.name for slot in embedded.application.slots if slot.loaded is None and not slot.error]
        raise SetupError(f"{', '.join(waiting)} did not load within {load_s:g} s: give more with load_s=…") from None
    for slot in embedded.failed:
        raise SetupError(f"the model {slot.name!r} cannot be served: {slot.error}")


def _require_transport() -> Any:
    try:
        from modelport.testing import transport
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise MissingExtra("a client for tests", "testing") from None
    return transport

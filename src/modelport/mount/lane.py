"""The lane of a user's own web code: a second event loop, in a thread of its own.

Whatever a route does short of holding the interpreter in C, the worker's own loop answers probes and models.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from modelport.mount.call import Call, Exchange, Receive, Scope, Send
from modelport.mount.crossing import Crossing
from modelport.mount.watchdog import Watchdog

log = logging.getLogger("modelport.web")

Build = Callable[[], Any]
"""Runs in the lane's thread; returns something that is an application with `startup` and `shutdown`."""


class WebLane:
    """Runs one application. Constructed and used on the loop that owns the connections."""

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        self._main = asyncio.get_running_loop()
        self._loop = new_loop()
        self._in = Crossing(self._loop)
        self._out = Crossing(self._main)
        self._tasks: set[asyncio.Task[None]] = set()
        self._app: Any = None
        self._thread = threading.Thread(target=self._turn, name="modelport-web", daemon=True)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self, build: Build) -> Any:
        """Make the application and start it up, in the lane's thread; raises what either raised. Returns the application."""
        self._thread.start()
        app = await self.run(self._start(build))
        Watchdog(self._loop, self._thread).start()  # from now on: importing takes long, and nobody waits yet
        return app

    async def run(self, coroutine: Any) -> Any:
        """Run a coroutine in the lane, and wait for it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _start(self, build: Build) -> Any:
        self._app = build()
        await self._app.startup()
        return self._app

    async def stop(self, seconds: float) -> None:
        """Let what goes on behind answered requests end, for so long; then shut the application down."""
        try:
            await asyncio.wait_for(self.run(self._stop(seconds)), seconds + 1.0)
        except (TimeoutError, concurrent.futures.CancelledError):
            log.warning("the web routes did not shut down within %g s", seconds + 1.0)
        except Exception:
            log.exception("shutting the web routes down failed")
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _stop(self, seconds: float) -> None:
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending, timeout=0.5)
        if self._app is not None:
            await self._app.shutdown()

    # -- requests ------------------------------------------------------------------------------------------------

    def begin(self, scope: Scope, exchange: Exchange, body: bytes, more: bool) -> Call:
        """Serve a request whose body, or the beginning of it, is there."""
        call = Call(exchange, self._out, body, more)
        self._in.post(self._begin, (call, scope, exchange))
        return call

    def post(self, function: Callable[[Any], None], argument: Any = None) -> None:
        """Have a call told something, in its thread."""
        self._in.post(function, argument)

    def to_main(self, function: Callable[[Any], None], argument: Any = None) -> None:
        """Have something run on the loop that owns the connections; from the lane's thread."""
        self._out.post(function, argument)

    def _begin(self, request: tuple[Call, Scope, Exchange]) -> None:
        task = self._loop.create_task(self._serve(*request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: Call, scope: Scope, exchange: Exchange) -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except BaseException as error:
            if not (call.gone and _tells_of_leaving(error)):
                log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            if not call.complete:
                self._out.post(exchange.ended, True)
        else:
            if not call.complete:
                self._out.post(exchange.ended, False)

    async def bridge(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve any scope whose two halves belong to the other loop; for WebSockets, where each message crosses by itself."""
        main = self._main

        async def receive_there() -> Any:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_as_coroutine(receive), main))

        async def send_there(message: Any) -> None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_as_coroutine(partial(send, message)), main))

        with suppress(asyncio.CancelledError):
            await self.run(self._app(scope, receive_there, send_there))


def _tells_of_leaving(error: BaseException) -> bool:
    """Whether this is how an application notices that its client is gone; the last is what Starlette's middleware makes of it."""
    return isinstance(error, (asyncio.CancelledError, OSError)) or str(error) == "No response returned."


async def _as_coroutine(function: Callable[[], Any]) -> Any:
    return await function()

"""The lifespan of an ASGI application: what it does before the first request and after the last."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from modelport.mount.call import App, Message, Receive, Scope, Send

log = logging.getLogger("modelport.web")


class StartupFailed(Exception):
    """The application said, or showed, that it cannot start. FastAPI says it with a whole traceback."""

    @property
    def reason(self) -> str:
        """In one line: the last one."""
        return str(self).strip().splitlines()[-1]


class Lifespan:
    """An ASGI application with its lifespan and the state that this has left for its requests."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, with the state, beside what stands in front of the application has left there for it."""
        scope.setdefault("state", {}).update(self.state)
        await self.app(scope, receive, send)

    async def startup(self) -> None:
        """Run what comes before the first request; an application that knows no lifespan has none. Raises StartupFailed."""
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())  # it was told, as an answer
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise StartupFailed(answer.get("message", "").strip() or "its lifespan failed")

    async def shutdown(self) -> None:
        """Run what comes after the last request."""
        if self._task is not None and not self._task.done():
            answer = await self._ask("lifespan.shutdown")
            if answer is not None and answer["type"] == "lifespan.shutdown.failed":
                log.error("the lifespan failed to shut down: %s", answer.get("message", "").strip())

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self.app(scope, self._events.get, self._answers.put)

    async def _ask(self, event: str) -> Message | None:
        """Its answer; None where it returned or raised without one, which means that it takes no part."""
        assert self._task is not None
        await self._events.put({"type": event})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not self._answers.empty() and not answer.done():
            await answer
        if answer.done():
            return answer.result()
        answer.cancel()
        if not self._task.cancelled():
            self._task.exception()  # it knows no lifespan: no reason for a complaint
        return None

"""Routes that stand in for those of a mounted Flask application: inside its request, with its session, `g` and hooks."""

from __future__ import annotations

import asyncio
import contextvars
import io
from collections.abc import Callable, Sequence
from typing import Any

from modelport.kernel.context import own_thread
from modelport.mount.call import App, Message, Receive, Scope, Send
from modelport.mount.environ import make_environ
from modelport.mount.threads import OwnThread, OwnThreads

Headers = list[tuple[bytes, bytes]]
Whole = tuple[int, Headers, bytes]
"""Status, headers and body of an answer."""


class InsideFlask:
    """ASGI: `inner`, run between the hooks of a Flask application.

    What the application does around a view is its own code and may wait for a database, so it runs in a thread. The route itself
    holds none while it waits for a model.
    """

    def __init__(self, flask: Any, prefix: str, inner: App, threads: OwnThreads, busy: Sequence[Message]) -> None:
        self.inner = inner
        self._flask = flask
        self._prefix = prefix
        self._threads = threads
        self._busy = busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        body = await _read(receive)
        if body is None:
            return None
        thread = self._threads.take()
        if thread is None:
            for message in self._busy:
                await send(message)
            return None
        root = scope.get("root_path", "") + self._prefix
        environ = make_environ({**scope, "root_path": root}, io.BytesIO(body))
        turn = _Turn(self._flask, environ, self._threads, thread)
        try:
            refusal = await turn.enter()
            if refusal is not None:
                return await _send_whole(send, *refusal)
            await self._run(turn, scope, _Again(body, receive), _Answer(turn, send))
        except BaseException as error:
            await turn.leave(error)
            raise
        else:
            await turn.leave(None)
        finally:
            self._threads.give_back(thread)

    async def _run(self, turn: _Turn, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the route in the context that the application has made, where it finds its session and `g`."""
        turn.context.run(own_thread.set, turn.in_thread)
        run: Any = self.inner(scope, receive, send)
        await asyncio.get_running_loop().create_task(run, context=turn.context)


class _Turn:
    """One request of the application: its context, and the steps that are its own code, all in one thread."""

    def __init__(self, flask: Any, environ: dict[str, Any], threads: OwnThreads, thread: OwnThread) -> None:
        self.context = contextvars.copy_context()
        self._flask = flask
        self._environ = environ
        self._threads = threads
        self._thread = thread
        self._request = flask.request_context(environ)
        self._entered = False
        self._left = False

    async def enter(self) -> Whole | None:
        """Open the session and run what comes before a view; the answer, where that has given one."""
        self._entered = True
        whole: Whole | None = await self.in_thread(self._enter)
        return whole

    async def finish(self, status: int, headers: Headers, body: bytes | None) -> Whole:
        """Run what comes after a view, save the session and leave; `body` is None for an answer in many parts."""
        whole: Whole = await self.in_thread(lambda: self._finish(status, headers, body))
        return whole

    async def leave(self, error: BaseException | None) -> None:
        """Leave, where that has not been done yet."""
        if self._entered and not self._left:
            await self.in_thread(lambda: self._leave(error))

    async def in_thread(self, step: Callable[[], Any]) -> Any:
        """Run a step in the request's thread and context. Raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            self._threads.steps -= 1
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(value)

        def run() -> None:
            value, error = None, None
            try:
                value = self.context.run(step)
            except BaseException as raised:  # the thread must survive what an application does
                error = raised
            loop.call_soon_threadsafe(settle, value, error)

        self._threads.steps += 1
        self._thread.submit(run)
        return await done

    # -- in the thread -------------------------------------------------------------------------------------------

    def _enter(self) -> Whole | None:
        self._request.push()
        response = self._before()
        if response is None:
            return None
        whole = self._plain(response)
        self._leave(None)
        return whole

    def _before(self) -> Any:
        """What the application answers before any view; None where it lets the request through."""
        flask = self._flask
        try:
            try:
                early = flask.preprocess_request()
            except Exception as error:
                early = flask.handle_user_exception(error)
            return None if early is None else flask.process_response(flask.make_response(early))
        except Exception as error:
            return flask.handle_exception(error)

    def _finish(self, status: int, headers: Headers, body: bytes | None) -> Whole:
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        response = self._flask.response_class(body or b"", status=status, headers=fields)
        if not any(name == b"content-type" for name, _ in headers):
            response.headers.pop("content-type", None)
        whole = self._plain(self._flask.process_response(response))
        self._leave(None)
        return whole

    def _leave(self, error: BaseException | None) -> None:
        if not self._left:
            self._left = True
            self._request.pop(error)

    def _plain(self, response: Any) -> Whole:
        parts, status, headers = response.get_wsgi_response(self._environ)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return int(status[:3]), [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers], body


class _Answer:
    """The `send` of a route: its answer passes through what the application does after a view."""

    def __init__(self, turn: _Turn, send: Send) -> None:
        self._turn = turn
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return None
        start, self._start = self._start, None
        if start is None:
            return await self._send(message)
        status, headers = start["status"], list(start["headers"])
        if not message.get("more_body", False):
            whole = await self._turn.finish(status, headers, message.get("body", b""))
            return await _send_whole(self._send, *whole)
        status, given, _ = await self._turn.finish(status, headers, None)
        length = [header for header in headers if header[0] == b"content-length"]
        kept = [header for header in given if header[0] != b"content-length"]
        await self._send({"type": "http.response.start", "status": status, "headers": kept + length})
        return await self._send(message)


class _Again:
    """The `receive` of a route whose body has been read already."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None where the client left before its end."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

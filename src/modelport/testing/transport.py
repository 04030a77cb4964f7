"""Transports of httpx that ask an application in this process, whole or part by part, as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from modelport.assembly.embedded import FAILED_BODY, Embedded, NoAnswer, ThreadedCall
from modelport.runtime.loop_thread import LoopThread

PARTS = 16
"""Of an answer that nobody has read yet; then the application waits."""
BROKEN_OFF = "the answer broke off: the application failed while it was sent, and its log says why"


def scope_of(request: httpx.Request) -> dict[str, Any]:
    """The request as a server would tell it."""
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
    }


def failed_response(request: httpx.Request) -> httpx.Response:
    """What a server answers for an application that has not."""
    return httpx.Response(500, headers={"content-type": "application/json"}, content=FAILED_BODY, request=request)


# -- from a thread ---------------------------------------------------------------------------------------------------


class ThreadTransport(httpx.BaseTransport):
    """Asks an application whose loop runs in another thread. `check` is called before an answer is given out."""

    def __init__(self, thread: LoopThread, embedded: Embedded, check: Callable[[], None]) -> None:
        self._thread = thread
        self._embedded = embedded
        self._check = check

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Its answer, whose body comes as it is read. Raises ReadTimeout."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        body = iter(request.stream)

        def read() -> tuple[bytes, bool]:
            part = next(body, None)
            return part or b"", part is not None

        wait_s = request.extensions.get("timeout", {}).get("read")
        call = self._embedded.ask(self._thread.loop, scope_of(request), read, wait_s)
        try:
            head = call.head()
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer within {wait_s:g} s", request=request) from None
        except NoAnswer:
            self._check()
            return failed_response(request)
        except BaseException:
            call.close()
            raise
        stream = _Parts(call, request, self._check)
        return httpx.Response(head["status"], headers=list(head.get("headers", ())), stream=stream, request=request)


class _Parts(httpx.SyncByteStream):
    def __init__(self, call: ThreadedCall, request: httpx.Request, check: Callable[[], None]) -> None:
        self._call = call
        self._request = request
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part, _ in self._call.parts():
                self._check()
                if part and self._request.method != "HEAD":
                    yield part
        except NoAnswer:
            raise httpx.RemoteProtocolError(BROKEN_OFF, request=self._request) from None
        except TimeoutError:
            raise httpx.ReadTimeout("the answer stopped", request=self._request) from None

    def close(self) -> None:
        self._call.close()


# -- on the application's own loop -----------------------------------------------------------------------------------


class LoopTransport(httpx.AsyncBaseTransport):
    """Asks an application on the loop that it runs on."""

    def __init__(self, app: Any, check: Callable[[], None]) -> None:
        self._app = app
        self._check = check

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Its answer, whose body comes as it is read. Raises ReadTimeout."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        wait_s = request.extensions.get("timeout", {}).get("read")
        call = _LoopCall(self._app, request)
        try:
            head = await call.next_message(wait_s)
        except BaseException as error:
            await call.aclose()
            if isinstance(error, NoAnswer):
                self._check()
                return failed_response(request)
            if isinstance(error, TimeoutError):
                raise httpx.ReadTimeout(f"no answer within {wait_s:g} s", request=request) from None
            raise
        stream = _LoopParts(call, request, self._check, wait_s)
        return httpx.Response(head["status"], headers=list(head.get("headers", ())), stream=stream, request=request)


class _LoopCall:
    def __init__(self, app: Any, request: httpx.Request) -> None:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self._body = aiter(request.stream)
        self._body_told = False
        self._gone = asyncio.Event()
        self._messages: asyncio.Queue[Any] = asyncio.Queue(PARTS)
        self._task = asyncio.create_task(self._serve(app, scope_of(request)))

    async def _serve(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            await self._messages.put(error)
        else:
            await self._messages.put(None)

    async def _receive(self) -> Any:
        if self._body_told:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        part = await anext(self._body, None)
        self._body_told = part is None
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def _send(self, message: Any) -> None:
        if self._gone.is_set():
            await asyncio.sleep(0)
            return
        await self._messages.put(message)

    async def next_message(self, wait_s: float | None) -> Any:
        message = await asyncio.wait_for(self._messages.get(), wait_s)
        if not isinstance(message, dict):
            raise NoAnswer("the application ended without an answer") from message
        return message

    async def aclose(self) -> None:
        """The client leaves; an application that is still at it has a moment to notice."""
        self._gone.set()
        while not self._messages.empty():
            self._messages.get_nowait()
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=1.0)
            self._task.cancel()


class _LoopParts(httpx.AsyncByteStream):
    def __init__(
        self, call: _LoopCall, request: httpx.Request, check: Callable[[], None], wait_s: float | None
    ) -> None:
        self._call = call
        self._request = request
        self._check = check
        self._wait_s = wait_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            try:
                message = await self._call.next_message(self._wait_s)
            except NoAnswer:
                raise httpx.RemoteProtocolError(BROKEN_OFF, request=self._request) from None
            except TimeoutError:
                raise httpx.ReadTimeout("the answer stopped", request=self._request) from None
            self._check()
            more = message.get("more_body", False)
            if (part := message.get("body", b"")) and self._request.method != "HEAD":
                yield part

    async def aclose(self) -> None:
        await self._call.aclose()

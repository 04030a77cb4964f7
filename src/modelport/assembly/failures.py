"""Calls of models from routes: the request that they are made for, and the answer where one failed and no route handled it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from modelport.errors import CallError
from modelport.fronts.exchange import echo_request_id
from modelport.fronts.media import read_deadline
from modelport.fronts.status import error_reply
from modelport.kernel.context import CallContext
from modelport.kernel.isolate import call_error_in, cause_of


def context_of_request(headers: Mapping[bytes, bytes], default_deadline_s: float) -> CallContext:
    """What the models are told that are called on behalf of a request. A Request-Timeout that is none is the route's own affair."""
    sent = headers.get(b"request-timeout")
    deadline = None if sent is None else read_deadline(sent)
    if not isinstance(deadline, float):
        deadline = monotonic() + default_deadline_s
    return CallContext(deadline, (), echo_request_id(headers.get(b"request-id")))


def answer_call_errors(routes: Any) -> None:
    """Give a FastAPI application handlers for failed calls, where its author has given none. The answer names the branch."""
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    async def answer(request: Any, error: Exception) -> Response:
        failed = call_error_in(error)
        if failed is None or isinstance(request, WebSocket):
            raise error
        status, body = error_reply(failed)
        headers = {"retry-after": "1"} if status == 503 else {}
        return Response(body, status, headers, media_type="application/json")

    for kind in (CallError, ExceptionGroup):  # the latter is what asyncio.TaskGroup raises
        routes.exception_handlers.setdefault(kind, answer)


def cause_in_code(error: BaseException) -> str:
    """Why an import or a start failed, with file and line of the user's own code."""
    import traceback  # and the rest: only where something has failed

    from modelport.assembly.sources import is_users

    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg}, at {_shown(error.filename)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if is_users(frame.filename) and Path(frame.filename).is_file()]
    if not users or users[-1] is frames[-1]:
        return cause_of(error)
    return f"{cause_of(error)}, at {_shown(users[-1].filename)}:{users[-1].lineno}"


def _shown(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path

"""The application as a WSGI one, models included: its loop in a thread of the process that serves."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from modelport.assembly.embedded import Embedded, Target, embed
from modelport.config import ServeOptions
from modelport.errors import ConfigError, SetupError
from modelport.fronts.service_pages import PREFIX, PROBES
from modelport.fronts.wsgi import (
    Environ,
    LengthRequired,
    StartResponse,
    reader_of,
    refuse_chunks,
    refuse_unstarted,
    refuse_websocket,
    respond,
    scope_of,
)
from modelport.kernel.isolate import cause_of
from modelport.runtime.loop_thread import LoopThread

log = logging.getLogger("modelport.wsgi")
STOP_SECONDS = 10.0
AT_ONCE = frozenset(prefix + path for prefix in ("", PREFIX) for path in (*PROBES, "/metrics", "/status"))
"""Paths that tell how far the start is."""


class WsgiApplication:
    """`application(environ, start_response)`.

    Servers import it, and then fork the processes that serve. So nothing runs before the first request, or `start`, in the
    process that gets it: neither threads nor half a loaded model would outlive the fork.
    """

    def __init__(self, target: Target, options: ServeOptions) -> None:
        _refuse_host()
        self._embedded = embed(target, options)
        self._wait_s = options.default_deadline
        self._lock = threading.Lock()
        self._pid = 0
        self._thread: LoopThread | None = None
        self._starting: Future[None] | None = None
        self._settling: Future[None] | None = None

    @property
    def embedded(self) -> Embedded:
        """What is served."""
        return self._embedded

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request, in the thread that the server gives it."""
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            return refuse_websocket(start_response)
        thread = self._started()
        reason = self._wait_until_ready(environ.get("PATH_INFO", ""))
        if reason:
            return refuse_unstarted(start_response, reason)
        try:
            read = reader_of(environ)
        except LengthRequired:
            return refuse_chunks(start_response)
        call = self._embedded.ask(thread.loop, scope_of(environ), read)
        return respond(call, environ["REQUEST_METHOD"], start_response)

    def start(self) -> None:
        """Begin to load the models in this process: for the hook that a server calls in each process that serves."""
        self._started()

    def stop(self) -> None:
        """Shut the routes down, and let the models go. Called at the end of the process."""
        if self._thread is None or self._pid != os.getpid() or not self._thread.is_alive:
            return
        with suppress(Exception):
            self._thread.run(self._embedded.shutdown(), STOP_SECONDS)
        self._thread.stop()

    def _started(self) -> LoopThread:
        if self._thread is not None and self._pid == os.getpid():
            return self._thread
        with self._lock:
            if self._thread is None:
                self._pid = os.getpid()
                self._thread = LoopThread("modelport-wsgi")
                self._starting = self._thread.submit(self._embedded.startup())
                self._settling = self._thread.submit(self._embedded.settle())
                atexit.register(self.stop)
            elif self._pid != os.getpid():
                raise SetupError(
                    "the application was started before the server forked the process that serves: call start() in its post-fork "
                    "hook, or not at all"
                )
            return self._thread

    def _wait_until_ready(self, path: str) -> str:
        """Probes answer at once; whoever wants anything else waits for the first start. Why it failed, if it did."""
        assert self._starting is not None
        assert self._settling is not None
        if path in AT_ONCE:
            return ""
        if not self._embedded.is_settled:
            with suppress(TimeoutError):
                self._settling.result(self._wait_s)
        try:
            self._starting.result(self._wait_s)
        except TimeoutError:
            return "The service is still loading"
        except Exception as error:
            log.error("the service does not start: %s", cause_of(error))
            return "The service could not start"
        return ""


def _refuse_host() -> None:
    """Raise ConfigError where no thread of ours would ever run."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        options = {name.decode() if isinstance(name, bytes) else name for name in getattr(uwsgi, "opt", {})}
        if not options & {"enable-threads", "threads"}:
            raise ConfigError("uWSGI runs no threads of an application unless it is told to: add  --enable-threads")
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise ConfigError(
            "gevent has replaced the threads of this process, in which models cannot run: use threads (Gunicorn's gthread worker)"
        )

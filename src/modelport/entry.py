"""The Python entry: `serve` for scripts and notebooks, `app` for any ASGI server."""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.config import resolve
from modelport.errors import SetupError

if TYPE_CHECKING:
    from modelport.runtime.lifecycle import Slot


def app(artifact: str | os.PathLike[str], **options: Any) -> Any:
    """The service as an ASGI application, for Uvicorn, Hypercorn, Granian or Gunicorn.

    Options are those of `modelport serve` that concern the model (`name`, `data`, `target`, `features`, `max_body`). Loading starts
    with the first event that the server sends, and never blocks it: `/readyz` is 503 until the model is there.

        # service.py, run with:  uvicorn service:application
        application = modelport.app("genre.joblib")

    Raises SetupError where the file is missing or of no known kind.
    """
    from modelport.assembly import build_application

    application, start = build_application(Path(artifact), resolve(options))
    for slot in application.slots:
        slot.on_change.append(_log_failure)
    asgi = application.asgi()
    asgi.start_with(start)
    return asgi


def _log_failure(slot: Slot) -> None:
    """Under a foreign server, this is where the reason is told: there is no supervisor that ends the service with it."""
    if slot.error:
        logging.getLogger("modelport").error("model %s cannot be served: %s", slot.name, slot.error)


def serve(artifact: str | os.PathLike[str], **options: Any) -> Handle | None:
    """Serve a model: blocks in a script until Ctrl-C, returns a `Handle` in a notebook.

    Takes every option of `modelport serve` as a keyword, for example `port=9000`. Serving the same port again from a
    notebook replaces what was served there. Raises SetupError where the service cannot start.
    """
    resolved = resolve(options)
    if in_notebook():
        return _serve_beside(Path(artifact), options, resolved.host, resolved.port)
    from modelport.cli.serve import run_service

    code = run_service(os.fspath(artifact), resolved)
    if code:
        raise SystemExit(code)
    return None


def in_notebook() -> bool:
    """Whether this is an interactive kernel, in which a call must return."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "ZMQ" in type(shell).__name__


class Handle:
    """A service that runs beside a notebook. `url` is where; `stop()` ends it; so does the end of the notebook."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self._process = process
        atexit.register(self.stop)

    def stop(self, timeout_s: float = 35.0) -> None:
        """Finish what is in flight and end."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        atexit.unregister(self.stop)

    @property
    def running(self) -> bool:
        """Whether the service is up."""
        return self._process.poll() is None

    def __repr__(self) -> str:
        return f"<modelport service at {self.url}{'' if self.running else ', stopped'}>"


_handles: dict[tuple[str, int], Handle] = {}


def _serve_beside(artifact: Path, options: dict[str, Any], host: str, port: int) -> Handle:
    if (old := _handles.pop((host, port), None)) is not None:
        old.stop()
    port = port or _free_port(host)
    flags = [flag for key, value in {**options, "port": port}.items() for flag in _flag(key, value)]
    command = [sys.executable, "-m", "modelport", "serve", str(artifact), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    handle = Handle(process, f"http://{host}:{port}")
    _wait_until_ready(process, handle.url)
    _handles[host, port] = handle
    return handle


def _flag(key: str, value: Any) -> list[str]:
    text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
    return [] if value is None else [f"--{key.replace('_', '-')}", text]


def _free_port(host: str) -> int:
    from modelport.runtime.supervise import open_listener

    with open_listener(host, 0) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Loading has no time limit, but the process must stay alive."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if json.load(answer)["state"] == "ready":
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    output = process.stdout.read().decode(errors="replace").strip() if process.stdout else ""
    raise SetupError(output.rpartition("\n")[2].removeprefix("modelport: ") or "the service did not start")

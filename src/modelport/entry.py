"""The Python entry: `serve` for scripts and notebooks, `app` for any ASGI server."""

from __future__ import annotations

import atexit
import logging
import os
import re
import subprocess
import sys
import threading
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from modelport.config import FLAGS, REPEATED, ServeOptions, flag_of, is_python, key_of, refuse_remote, resolve
from modelport.errors import ConfigError, SetupError
from modelport.runtime.deadline import deadline as seconds_left
from modelport.service import Service

if TYPE_CHECKING:
    from modelport.assembly.objects import Compiled
    from modelport.assembly.wsgi import WsgiApplication
    from modelport.runtime.lifecycle import Slot


def app(artifact: str | os.PathLike[str] | Service, **options: Any) -> Any:
    """A saved model, or a service, as an ASGI application, for Uvicorn, Hypercorn, Granian or Gunicorn.

    Options are those of `modelport serve` that concern the model (`name`, `with_`, `data`, `target`, `features`, `allow_pickle`,
    `max_body`). Loading starts
    with the first event that the server sends, and never blocks it: `/readyz` is 503 until the model is there.

        # service.py, run with:  uvicorn service:application
        application = modelport.app("genre.joblib")

    A `Service`, or the Python file that declares one (`"app.py"`, `"app.py:service"`), is taken as well: its models run in
    threads of the server's process, those that are `async def` on the server's own event loop; so do its routes, which then
    delay everything else if they block.

    Raises SetupError where the file is missing or of no known kind.
    """
    from modelport.assembly import build_application, build_service

    resolved = resolve(options)
    if options.get("reload"):
        raise ConfigError(
            "reload is for  modelport serve: ask the server that this application is for to watch its files"
        )
    if isinstance(artifact, Service) or is_python(os.fspath(artifact)):
        application, start = build_service(artifact if isinstance(artifact, Service) else os.fspath(artifact), resolved)
    else:
        refuse_remote(os.fspath(artifact), resolved)
        application, start = build_application(Path(artifact), resolved)
    for slot in application.slots:
        slot.on_change.append(_log_failure)
    asgi = application.asgi()
    asgi.start_with(start)
    return asgi


def wsgi(artifact: str | os.PathLike[str] | Service, **options: Any) -> WsgiApplication:
    """The same as a WSGI application, for uWSGI, mod_wsgi, Gunicorn's own workers and every other WSGI server.

        # service.py, run with:  gunicorn --worker-class gthread --threads 16 service:application
        application = modelport.wsgi("genre.joblib")

    Nothing runs before the process that serves gets its first request, which waits until the models have loaded; `start()` begins
    earlier, from a hook that the server calls in each such process. Raises SetupError as `app` does.
    """
    from modelport.assembly.wsgi import WsgiApplication

    application = WsgiApplication(artifact, resolve(options))
    for slot in application.embedded.application.slots:
        slot.on_change.append(_log_failure)
    return application


def compile(model: Any, data: Any = None) -> Compiled:
    """A fitted scikit-learn, XGBoost, LightGBM or CatBoost model as compiled code that gives the same answers.

    `model` is the estimator or booster itself, or the path it was saved to. `data` are rows such as it was trained on, without the
    label: a DataFrame, a two-dimensional array or a list of dictionaries. They are compared first, beside thousands of
    rows that are made up. Raises NotCompiledError with the part or the row that is the reason.

        compiled = modelport.compile(forest, X_train)
        print(compiled.report)                  # parity 10,387 of 10,387 rows
        compiled.predict(X_test)
    """
    from modelport.assembly.objects import compile_object

    return compile_object(model, data)


def load_compiled(folder: str | os.PathLike[str]) -> Compiled:
    """What `Compiled.save` wrote, read with NumPy and ONNX Runtime alone. Raises ArtifactError where it is damaged."""
    from modelport.assembly.objects import open_object

    return open_object(Path(folder))


def save(model: Any, path: str | os.PathLike[str], data: Any = None) -> str:
    """Save a fitted model with all that it takes to serve it in another process: a bundle, at `path`.

    `model` is whatever predicts, or a dict of such an object with its scaler, encoders and columns. Classes and functions that were
    defined in this notebook or script, or in modules beside it, are saved with their source. `data` are rows such as it was trained
    on, without the label: a DataFrame, a two-dimensional array or a list of dictionaries. Returns the command that serves it.
    A bundle that lies at `path` is replaced; anything else there is refused. Raises SetupError naming what cannot be saved.

        modelport.save(pipeline, "genre.bundle", X_train)
    """
    from modelport.assembly.saving import save_model

    return save_model(model, Path(path), data)


def deadline() -> float | None:
    """Seconds that the caller of this model or route still waits, at least 0.001; None outside of calls.

    Calls of other models keep to it by themselves. For what else is asked in between:

        response = await client.get(url, timeout=modelport.deadline())
    """
    return seconds_left()


def _log_failure(slot: Slot) -> None:
    """Under a foreign server, this is where the reason is told: there is no supervisor that ends the service with it."""
    if slot.error:
        logging.getLogger("modelport").error("model %s cannot be served: %s", slot.name, slot.error)


def serve(artifact: str | os.PathLike[str] | Service, **options: Any) -> Handle | None:
    """Serve a saved model, a Python file, or a `Service`: blocks in a script until Ctrl-C, returns a `Handle` in a notebook.

    Takes every option of `modelport serve` as a keyword, for example `port=9000`. Serving the same port again from a
    notebook replaces what was served there. A service travels by value: what its code uses of the notebook is sent along as it
    is now. Raises SetupError where it cannot start.
    """
    resolved = resolve(options)
    with ExitStack() as packed:
        target, folder = _pack(artifact, resolved, packed)
        if in_notebook():
            what = artifact.name if isinstance(artifact, Service) else os.fspath(artifact)
            place = resolved.host, resolved.port, "" if resolved.port else what
            return _serve_beside((target, folder), options, place, packed.pop_all())
        from modelport.cli.serve import run_service

        code = run_service(target, resolved)
    if code:
        raise SystemExit(code)
    return None


def _pack(artifact: Any, options: ServeOptions, packed: ExitStack) -> tuple[str, str]:
    """What the command line would be given, and the folder that a service is written to, which lasts as long as `packed`."""
    if isinstance(artifact, Service):
        from modelport.assembly.parcel import write_parcel

        if options.reload:
            raise ConfigError(
                "--reload watches files, and a Service that is given as an object has none: run its cell again, or serve its file "
                "with  modelport serve app.py --reload"
            )
        folder = packed.enter_context(TemporaryDirectory(prefix="modelport-", ignore_cleanup_errors=True))
        return write_parcel(artifact, options, Path(folder)), folder
    if not isinstance(artifact, (str, os.PathLike)):
        raise ConfigError(
            f"modelport.serve wants a path or a Service, not a {type(artifact).__name__}: save a model that is in memory with  "
            "modelport.save(model, 'genre.bundle', X),  and serve that"
        )
    return os.fspath(artifact), ""


def in_notebook() -> bool:
    """Whether this is an interactive kernel, in which a call must return."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "ZMQ" in type(shell).__name__


class Handle:
    """A service that runs beside a notebook. `url` is where; `stop()` ends it; so does the end of the notebook."""

    url = ""

    def __init__(self, process: subprocess.Popen[bytes], packed: ExitStack) -> None:
        self._process = process
        self._packed = packed
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        atexit.register(self.stop)

    def stop(self, timeout_s: float = 35.0) -> None:
        """Finish what is in flight and end."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._packed.close()
        atexit.unregister(self.stop)

    @property
    def running(self) -> bool:
        """Whether the service is up."""
        return self._process.poll() is None

    def _read_url(self, output: IO[bytes]) -> str:
        """What the banner says when the service is ready, however long that takes. Raises SetupError where it ends instead."""
        for line in output:
            self._said.append(line.decode(errors="replace").rstrip())
            if found := _BANNER.fullmatch(line):
                return found[1].decode()
        complaints = [line.removeprefix("modelport: ") for line in self._said if line.startswith("modelport: ")]
        raise SetupError(_name_cells((complaints or [*self._said] or ["the service did not start"])[-1].strip()))

    def _listen(self, output: IO[bytes]) -> None:
        """Keep the last of what the service writes: one whose output nobody reads stops when the pipe is full."""
        with output:
            for line in output:
                self._said.append(line.decode(errors="replace").rstrip())

    @property
    def log(self) -> str:
        """The last lines that the service has written: its banner, what it logged, tracebacks."""
        return "\n".join(self._said)

    def __repr__(self) -> str:
        return f"<modelport service at {self.url}{'' if self.running else ', stopped'}>"


SAID_LINES = 1000
Place = tuple[str, int, str]
"""Host and port; where any port will do, also what is served, so that a cell which is run again replaces its own service."""
_handles: dict[Place, Handle] = {}

_BESIDE = """
import os, shutil, signal, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
from modelport.cli.main import main
try:
    main(sys.argv[2:])
finally:
    if sys.argv[1]:
        shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
"""The service ends with the notebook, however that ends: the other end of its standard input is the notebook's alone."""

_BANNER = re.compile(rb"  Modelport .* at (https?://\S+)\s*")


def _serve_beside(packet: tuple[str, str], options: dict[str, Any], place: Place, packed: ExitStack) -> Handle:
    target, folder = packet
    if (old := _handles.pop(place, None)) is not None:
        old.stop()
    flags = [flag for key, value in options.items() for flag in _flag(key, value)]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _BESIDE, folder, "serve", target, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # else the button that interrupts a cell would end the service
    )
    handle = Handle(process, packed)
    assert process.stdout is not None
    try:
        handle.url = handle._read_url(process.stdout)
    except BaseException:  # an interrupted cell leaves no service behind that nobody has a handle of
        handle.stop()
        process.stdout.close()
        raise
    threading.Thread(target=handle._listen, args=(process.stdout,), name="modelport-output", daemon=True).start()
    _handles[place] = _handles[place[0], int(handle.url.rpartition(":")[2]), ""] = handle
    return handle


def _flag(key: str, value: Any) -> list[str]:
    flag = flag_of(key)
    if key in FLAGS:
        return [flag] if getattr(resolve({key: value}), key) else []
    if key_of(key) in map(key_of, REPEATED):
        return [part for path in resolve({key: value}).with_ or () for part in (flag, str(path))]
    text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
    return [] if value is None else [flag, text]


def _name_cells(text: str) -> str:
    from modelport.assembly.parcel import name_cells

    return name_cells(text)

"""`modelport serve`: opens the port, starts the workers, prints the banner."""

from __future__ import annotations

import errno
import json
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelport.cli.journal import catch_stray_lines, open_journal, write_json
from modelport.config import (
    ServeOptions,
    check_file,
    is_python,
    model_name,
    refuse_for_service,
    refuse_remote,
    saved_alone,
)
from modelport.errors import ArtifactError, ConfigError, SetupError
from modelport.runtime.children import StartFailed, child_command
from modelport.runtime.cores import usable_cores
from modelport.runtime.forms import Form
from modelport.runtime.limits import raise_descriptor_limit
from modelport.runtime.listeners import open_listener
from modelport.runtime.notify import notify_ready
from modelport.runtime.plan import Plan
from modelport.runtime.shared import SharedBoard
from modelport.runtime.signals import hangups_noted
from modelport.runtime.supervise import HOLDER_SLOTS, Log, Supervisor

MAX_MODELS = 32


def run_service(target: str, options: ServeOptions) -> int:
    """Serve until a signal; the exit code. Raises SetupError for what the user can mend."""
    journal = open_journal(options.log_format)
    with hangups_noted():
        return _serve(target, options, journal)


def run_command(target: str, options: ServeOptions) -> int:
    """The same for the command line: where lines are for machines, so is the reason why it does not start."""
    if options.log_format == "json":
        catch_stray_lines()
    try:
        return run_service(target, options)
    except SetupError as error:
        if options.log_format != "json":
            raise
        write_json(str(error), "error")
        return 2


def _serve(target: str, options: ServeOptions, journal: Log) -> int:
    refuse_remote(target, options)
    catalog = is_python(target)
    if catalog:
        refuse_for_service(target, options)
    _check_files(None if catalog else Path(target), options)
    if not catalog:  # decided here and once, for every process and every reload
        options = replace(options, name=model_name(Path(target), options))
    saved = {} if catalog else {str(options.name): saved_alone(target, options)}
    _check_certificate(options)
    raise_descriptor_limit()
    listener = _listen(options)
    count = options.workers or usable_cores()
    board = SharedBoard.create(count * 2 + 1 + MAX_MODELS * HOLDER_SLOTS, MAX_MODELS)

    def config(source: dict[str, Any] | None = None, form: dict[str, Any] | None = None) -> str:
        return json.dumps({**(source or saved_alone(target, options)), "form": form})

    url = _url(options, listener)
    workers_reason = "as configured" if options.workers else "one per usable core"

    def on_ready(event: dict[str, Any]) -> None:
        from modelport.cli.banner import print_banner

        with suppress(OSError):  # nobody needs to read it
            print_banner(event, url, target, (count, workers_reason))
        notify_ready()

    plan = Plan(
        worker=lambda place: child_command("modelport.assembly.worker", config(), place),
        holder=lambda model, source, form: child_command(_holder_of(form), config(source, form), model or ""),
        compiler=lambda source: child_command("modelport.assembly.compiler", config(source)),
        workers=count,
        catalog=catalog,
        max_models=MAX_MODELS,
        cores=usable_cores(),
        standby=options.standby and not options.reload,  # who develops waits for every load
        saved=saved,
        remembered={} if catalog else _recalled(target, options),
        stop_s=options.stop_timeout,
        reload=options.reload,
    )
    supervisor = Supervisor(plan, listener, board, board.fd, on_ready, journal)
    try:
        return supervisor.run()
    except StartFailed as error:
        raise ArtifactError(str(error)) from None
    finally:
        listener.close()


def _recalled(target: str, options: ServeOptions) -> dict[str, Form]:
    """Of the model that is served: which form of it did at the last start, where that is known."""
    from modelport.assembly.starts import recall  # and what tells digests: a service in Python does without

    form = recall(Path(target), options)
    return {} if form is None else {str(options.name): form}


def _holder_of(form: Form | None) -> str:
    """The module that a holder is started by."""
    shortened = form is not None and (form.get("native") or form.get("late"))
    return "modelport.assembly.holder_early" if shortened else "modelport.assembly.holder"


def _check_files(artifact: Path | None, options: ServeOptions) -> None:
    """What can be told at once, before a port is opened."""
    others = (("model's", path) for path in options.with_ or ())
    for what, path in (("model", artifact), ("data", options.data), *others):
        check_file(what, path)


def _check_certificate(options: ServeOptions) -> None:
    if options.tls_cert is None or options.tls_key is None:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key, password="")
    except (OSError, ValueError) as error:
        files = f"{options.tls_cert} and {options.tls_key}"
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(f"{files} are no certificate and its key, in PEM and without a password: {reason}") from None


def _listen(options: ServeOptions) -> socket.socket:
    try:
        return open_listener(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"{where} is in use; stop what serves there or choose another --port") from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"{where} is not allowed: ports below 1024 need privileges; choose another --port"
            ) from None
        raise ConfigError(f"cannot listen on {where}: {error.strerror or error}") from None
    except ValueError:  # of the codec for host names
        raise ConfigError(f"cannot listen on {options.host:.80}: this is no name or address of a host") from None


def _url(options: ServeOptions, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if options.tls_cert else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{host}:{port}"

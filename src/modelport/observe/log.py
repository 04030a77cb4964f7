"""Log lines on standard error, for people (`text`) or for machines (`json`: one object per line)."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from typing import Any


def configure_logging(log_format: str) -> None:
    """Send everything at INFO and above to standard error; once per process.

    For machines, what Python itself writes there is caught, too: warnings, and tracebacks that nobody catches. What a model
    prints is left as it is.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    if log_format == "json":
        logging.captureWarnings(True)
        _catch_tracebacks()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a malformed request is the client's affair, not ours
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # so is a form that is damaged


def _catch_tracebacks() -> None:
    log = logging.getLogger("modelport.uncaught")

    def on_exception(kind: Any, error: Any, where: Any) -> None:
        log.error("%s: %s", kind.__name__, error, exc_info=(kind, error, where))

    def on_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "unknown"
            info = (args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
            log.error("thread %s ended: %s: %s", name, args.exc_type.__name__, args.exc_value, exc_info=info)

    def on_unraisable(args: Any) -> None:
        what = f"{args.err_msg or 'Exception ignored in'}: {args.object!r:.200}"
        info = (args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
        log.error("%s: %s: %s", what, args.exc_type.__name__, args.exc_value, exc_info=info)

    sys.excepthook, threading.excepthook, sys.unraisablehook = on_exception, on_thread, on_unraisable


class TextFormatter(logging.Formatter):
    """`12:00:01 ERROR the message (request 4f2-1)`."""

    default_time_format = "%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        """Render one line, and a traceback where there is one."""
        request_id = getattr(record, "request_id", "")
        tail = f" (request {request_id})" if request_id else ""
        line = f"{time.strftime(self.default_time_format)} {record.levelname} {record.getMessage()}{tail}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line with `time`, `level`, `logger`, `message`, `request_id` and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one object."""
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, "request_id", None):
            entry["request_id"] = request_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)

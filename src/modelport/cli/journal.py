"""The supervisor's own lines, in the format of everybody else's. It does without the logging package."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

Write = Callable[..., None]
"""Takes a message, and a level as in the logging package."""


def open_journal(log_format: str) -> Write:
    """What writes a line of the supervisor."""
    return write_json if log_format == "json" else _write_text


def _write_text(message: str, level: str = "warning") -> None:
    _write(f"modelport: {message}")


def write_json(message: str, level: str = "warning", logger: str = "modelport.supervisor", **more: str) -> None:
    """One object in one line."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    entry = {"time": stamp, "level": level, "logger": logger, "message": message, **more}
    _write(json.dumps(entry, ensure_ascii=False))


def _write(line: str) -> None:
    with suppress(OSError):  # whoever read it may be gone, or the disk full: that is no reason to end
        print(line, file=sys.stderr, flush=True)


def catch_stray_lines() -> None:
    """Write what Python itself would write, warnings and tracebacks of this process, as lines for machines, too."""

    def on_exception(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        text = "".join(traceback.format_exception(kind, error, where)).rstrip()
        write_json(f"uncaught {kind.__name__}: {error}", "error", exception=text)

    def on_warning(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        write_json(f"{filename}:{lineno}: {category.__name__}: {message}", "warning", "py.warnings")

    sys.excepthook = on_exception
    threading.excepthook = lambda args: on_exception(args.exc_type, args.exc_value or Exception(), args.exc_traceback)
    sys.unraisablehook = lambda args: on_exception(args.exc_type, args.exc_value or Exception(), args.exc_traceback)
    warnings.showwarning = on_warning  # type: ignore[assignment]

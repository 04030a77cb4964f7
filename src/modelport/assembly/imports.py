"""What stands around the import of a user's file, which may do anything: train a model, wait for a database, start a server."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from modelport.assembly.sources import is_users

log = logging.getLogger("modelport.web")
LONG_SECONDS = 20.0
ADVICE = (
    'what starts a server, such as app.run() or uvicorn.run(), never returns: put it under  if __name__ == "__main__":  '
    "and what computes for long into the load() of a model"
)
_IGNORE_RUN = "FLASK_RUN_FROM_CLI"
"""By this `flask run` tells Flask to pass over an `app.run()` at the top of a file."""


@contextmanager
def user_import(where: str) -> Iterator[None]:
    """Around an import of a user's code: where it takes long, the log says at which line it is, once."""
    before = os.environ.get(_IGNORE_RUN)
    os.environ[_IGNORE_RUN] = "true"
    timer = threading.Timer(LONG_SECONDS, _tell, (where, threading.get_ident()))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if before is None:
            os.environ.pop(_IGNORE_RUN, None)
        else:
            os.environ[_IGNORE_RUN] = before


def _tell(where: str, thread: int) -> None:
    place = _place(sys._current_frames().get(thread))
    log.warning("importing %s has taken %g s and goes on%s; %s", where, LONG_SECONDS, place, ADVICE)


def _place(frame: FrameType | None) -> str:
    """The innermost line of the user's own code."""
    while frame is not None and not (is_users(frame.f_code.co_filename) and os.path.isfile(frame.f_code.co_filename)):
        frame = frame.f_back
    return "" if frame is None else f": it is at {frame.f_code.co_filename}:{frame.f_lineno}"

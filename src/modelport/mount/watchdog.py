"""Says which function keeps the web lane's event loop busy: its name, file and line, once for each."""

from __future__ import annotations

import asyncio
import logging
import sys
import sysconfig
import threading
from time import monotonic
from types import FrameType

log = logging.getLogger("modelport.web")

BLOCKED_SECONDS = 0.25
LOOK_SECONDS = 0.1
_PATHS = sysconfig.get_paths()
_NOT_THE_USERS = tuple({_PATHS["stdlib"], _PATHS["platstdlib"], _PATHS["purelib"], _PATHS["platlib"]})
"""Where the code of others lies: what they do, the user's function asked them to."""


class Watchdog:
    """Asks the loop for a sign of life, and looks at its thread's stack where none comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self._loop = loop
        self._watched = thread
        self._named: set[tuple[str, str]] = set()
        self._asked_at: float | None = None

    def start(self) -> None:
        """Watch until the loop has ended."""
        threading.Thread(target=self._watch, name="modelport-watchdog", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while self._watched.is_alive():
            asked = self._asked_at
            if asked is not None and monotonic() - asked > BLOCKED_SECONDS:
                self._look()
            elif asked is None:
                self._ask()
            pause.wait(LOOK_SECONDS)

    def _ask(self) -> None:
        self._asked_at = monotonic()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # it has just been closed
            self._asked_at = None

    def _answer(self) -> None:
        self._asked_at = None

    def _look(self) -> None:
        frame = users_frame(sys._current_frames().get(self._watched.ident or 0))
        if frame is None:
            return
        code = frame.f_code
        key = (code.co_filename, code.co_qualname if sys.version_info >= (3, 11) else code.co_name)
        if key in self._named:
            return
        self._named.add(key)
        log.warning(
            "%s (%s:%d) blocked the event loop of the web routes for more than %.0f ms. Models and probes are not affected; "
            "other routes of this worker wait (await what takes long, or leave out async: FastAPI runs def in a thread)",
            key[1],
            code.co_filename,
            frame.f_lineno,
            BLOCKED_SECONDS * 1000,
        )


def users_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost function that is neither Python's own nor an installed package's."""
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(("<", *_NOT_THE_USERS)) and "modelport/mount/" not in name:
            return frame
        frame = frame.f_back
    return None

"""Says which function keeps the web lane's event loop busy: its name, file and line, once for each."""

from __future__ import annotations

import asyncio
import logging
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from types import FrameType

log = logging.getLogger("modelport.web")

BLOCKED_SECONDS = 0.25
LOOK_SECONDS = 0.05
_PATHS = sysconfig.get_paths()
_NOT_THE_USERS = ("<", _PATHS["stdlib"], _PATHS["platstdlib"], str(Path(__file__).parent.parent))
_PACKAGES = ("/site-packages/", "/dist-packages/")
"""Where the code of others lies: what it does, the user's function asked it to."""


class Watchdog:
    """Asks the loop for a sign of life; where none comes, looks at its thread's stack, and again.

    A loop with very much to do is late, too. So a function is named only if every look, for as long, finds it in the same call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self._loop = loop
        self._watched = thread
        self._named: set[tuple[str, str]] = set()
        self._waiting = False
        self._seen: FrameType | None = None
        self._since = 0.0

    def start(self) -> None:
        """Watch until the loop has ended."""
        threading.Thread(target=self._watch, name="modelport-watchdog", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while self._watched.is_alive():
            if self._waiting:
                self._look()
            else:
                self._seen = None
                self._ask()
            pause.wait(LOOK_SECONDS)

    def _ask(self) -> None:
        self._waiting = True
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # it has just been closed
            self._waiting = False

    def _answer(self) -> None:
        self._waiting = False

    def _look(self) -> None:
        frames = list(users_frames(sys._current_frames().get(self._watched.ident or 0)))
        if not frames or frames[-1] is not self._seen:
            self._seen, self._since = (frames[-1] if frames else None), monotonic()
        elif monotonic() - self._since >= BLOCKED_SECONDS:
            self._name(frames[0])

    def _name(self, frame: FrameType) -> None:
        code = frame.f_code
        key = (code.co_filename, code.co_qualname)
        if key in self._named:
            return
        self._named.add(key)
        log.warning(
            "%s (%s:%d) blocked the event loop of the web routes for more than %.0f ms. Models and probes are not affected; "
            "other routes of this worker wait (await what takes long, or leave out async: FastAPI runs def in a thread)",
            code.co_qualname,
            code.co_filename,
            frame.f_lineno,
            BLOCKED_SECONDS * 1000,
        )


def users_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """From the inside out, the functions that are neither Python's own nor an installed package's."""
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_NOT_THE_USERS) and not any(part in name for part in _PACKAGES):
            yield frame
        frame = frame.f_back

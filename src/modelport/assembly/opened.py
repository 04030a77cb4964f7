"""Which of the user's data files this process has read while it loaded: weights, tables, vocabularies."""

from __future__ import annotations

import os
import sys
from typing import Any

from modelport.assembly.sources import Stamp, is_users, stamp_of

MOST_FILES = 1000
_WRITES = os.O_WRONLY | os.O_RDWR
_NO_DATA = (".py", ".pyc", ".so")


class OpenedFiles:
    """Told of every file that Python opens, from `start` to `stop`. What is below none of the folders is nobody's model."""

    def __init__(self, *folders: str) -> None:
        self._folders = tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)
        self._read: dict[str, Stamp] = {}
        self._written: set[str] = set()
        self._listens = False

    def start(self) -> None:
        """A hook of the interpreter cannot be taken away again, so it is there while developing alone."""
        self._listens = True
        sys.addaudithook(self._hear)

    @property
    def read(self) -> dict[str, Stamp]:
        """What was read, and was not written by this very process, as it was then."""
        return {path: stamp for path, stamp in self._read.items() if path not in self._written}

    def stop(self) -> dict[str, Stamp]:
        """Hear no more."""
        self._listens = False
        return self.read

    def _hear(self, event: str, values: tuple[Any, ...]) -> None:
        if not self._listens or event != "open" or not isinstance(values[0], str | bytes):
            return
        path = os.path.abspath(os.fsdecode(values[0]))
        if not path.startswith(self._folders) or path.endswith(_NO_DATA) or not is_users(path):
            return
        if isinstance(values[2], int) and values[2] & _WRITES:
            self._written.add(path)
        elif path not in self._read and len(self._read) < MOST_FILES:
            stamp = stamp_of(path)
            if stamp is not None and not os.path.isdir(path):
                self._read[path] = stamp

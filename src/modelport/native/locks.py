"""Locks on what lies in the cache: who serves from it shares it, who removes it must have it alone.

A lock belongs to an open file, so it ends with the last process that has it open, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

IN_USE = -1

_HELD: dict[Path, int] = {}
"""Descriptors of what this process serves from. They end with it."""


def _share(descriptor: int) -> None:
    """Wait until nobody has it alone: whoever lists the cache has for a moment, whoever removes it until it is gone."""
    with suppress(OSError):  # of file systems without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH)


def hold(marker: Path) -> None:
    """Keep an entry from being removed as long as this process lives. What is gone already, whoever reads it will miss."""
    if marker in _HELD:
        return
    with suppress(OSError):
        _HELD[marker] = os.open(marker, os.O_RDONLY | os.O_CLOEXEC)
        _share(_HELD[marker])


def take_alone(marker: Path) -> int | None:
    """A descriptor that has the entry alone; `IN_USE` where somebody serves from it, None where there is nothing to lock."""
    try:
        descriptor = os.open(marker, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return IN_USE
    except OSError:
        pass
    return descriptor


def is_held(marker: Path) -> bool:
    """Whether somebody serves from it."""
    descriptor = take_alone(marker)
    if descriptor is not None and descriptor != IN_USE:
        os.close(descriptor)
    return descriptor == IN_USE

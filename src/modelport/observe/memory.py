"""How much memory a process takes, with what it shares counted once over all who share it."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def memory_bytes(pid: int, proc: Path = PROC) -> int | None:
    """Its proportional set size (PSS), its resident set size (RSS) where that is not told, None where neither is."""
    return _pss(proc / str(pid) / "smaps_rollup") or _rss(proc / str(pid) / "statm")


def _pss(path: Path) -> int | None:
    """`Pss: 1234 kB` (kernel documentation, proc.rst)."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)


def _rss(path: Path) -> int | None:
    """The second figure, in pages."""
    try:
        return int(path.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None

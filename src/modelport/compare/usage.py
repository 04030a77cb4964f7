"""What a process tree has used: memory as PSS, and processor time.

PSS counts a page shared by n processes as one n-th in each; the sum of RSS would count shared pages once per worker
and punish servers with several processes.
"""

from __future__ import annotations

import os
from pathlib import Path

from modelport.compare.processes import tree

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def tree_pss_bytes(pid: int) -> int:
    """Return the proportional set size of a process and all its descendants."""
    return sum(_pss_bytes(member.pid) for member in tree(pid))


def tree_cpu_s(pid: int) -> float:
    """Return the processor seconds, user and system, of a process, its descendants, and those of them that have ended."""
    return sum(_cpu_ticks(member.pid) for member in tree(pid)) / TICKS_PER_S


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended since the tree was read
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _cpu_ticks(pid: int) -> int:
    """Own time, and that of children that were waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11:15]))


def tree_open_files(pid: int) -> int:
    """Return how many descriptors a process and its descendants have open: each accepted connection is one of them."""
    return sum(_open_files(member.pid) for member in tree(pid))


def _open_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0

"""The memory of a process tree as PSS: a page shared by n processes counts one n-th in each.

The sum of RSS would count shared pages once per worker and punish servers with several processes.
"""

from __future__ import annotations

from pathlib import Path

from bench.harness.processes import tree


def tree_pss_bytes(pid: int) -> int:
    """Return the proportional set size of a process and all its descendants."""
    return sum(_pss_bytes(member.pid) for member in tree(pid))


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended since the tree was read
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)

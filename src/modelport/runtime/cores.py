"""How many cores this process may really use: affinity and the container's quota, not the machine's size."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """At least 1. A quota of 1.5 cores counts as 2: two workers share it better than one leaves it unused."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, min(affinity, math.ceil(quota)) if quota else affinity)


def _quota_v2(cgroup: Path) -> float | None:
    """`cpu.max` holds `QUOTA PERIOD` in microseconds, or `max PERIOD` (kernel documentation, cgroup-v2)."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(cgroup: Path) -> float | None:
    try:
        quota = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError):
        return None

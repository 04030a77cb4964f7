"""How many cores this process may really use: affinity and the quota of its container or unit, not the machine's size."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """At least 1. A quota of 1.5 cores counts as 2: two workers share it better than one leaves it unused."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    folders = [*_folders(cgroup, membership)]
    quotas = [quota for folder in folders if (quota := _quota_v2(folder) or _quota_v1(folder)) is not None]
    return max(1, min(affinity, math.ceil(min(quotas)))) if quotas else affinity


def _folders(cgroup: Path, membership: Path) -> Iterator[Path]:
    """Of every group that this process is in. A container sees its own as the root; a unit of systemd lies below it."""
    yield cgroup
    yield cgroup / "cpu"
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            root = cgroup / "cpu" if controllers else cgroup
            own = Path(path.lstrip("/"))
            yield from (root / part for part in (own, *own.parents) if part != Path() and ".." not in part.parts)


def _quota_v2(folder: Path) -> float | None:
    """`cpu.max` holds `QUOTA PERIOD` in microseconds, or `max PERIOD` (kernel documentation, cgroup-v2)."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError):
        return None

"""The cores that a process may use, by the quotas of the groups that it is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelport.runtime.cores import usable_cores


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of sixteen cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def group(root: Path, path: str, **files: str) -> None:
    (root / path).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / path / name.replace("__", ".")).write_text(text, encoding="utf-8")


def cores(root: Path, membership: str) -> int:
    (root / "membership").write_text(membership, encoding="utf-8")
    return usable_cores(root, root / "membership")


def test_a_container_sees_its_quota_at_the_root(tmp_path: Path) -> None:
    group(tmp_path, ".", cpu__max="150000 100000\n")
    assert cores(tmp_path, "0::/\n") == 2


def test_a_unit_has_its_quota_below_the_root_and_the_slice_above_it_counts_too(tmp_path: Path) -> None:
    group(tmp_path, "system.slice", cpu__max="800000 100000\n")
    group(tmp_path, "system.slice/genre.service", cpu__max="max 100000\n")
    assert cores(tmp_path, "0::/system.slice/genre.service\n") == 8
    group(tmp_path, "system.slice/genre.service", cpu__max="200000 100000\n")
    assert cores(tmp_path, "0::/system.slice/genre.service\n") == 2


def test_the_older_kind_of_groups_is_read_too(tmp_path: Path) -> None:
    membership = "4:cpu,cpuacct:/unit\n3:memory:/other\n"
    group(tmp_path, "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert cores(tmp_path, membership) == 16
    group(tmp_path, "cpu/unit", cpu__cfs_quota_us="300000\n", cpu__cfs_period_us="100000\n")
    assert cores(tmp_path, membership) == 3


def test_without_any_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "nothing") == 16

"""The memory that a container will be charged with, whoever else runs here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from modelport.deploy.footprint import footprint, process_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of each mapping")
MEGABYTES = 32


@contextmanager
def waiting(code: str = "pass") -> Iterator[int]:
    """A process that has imported something large and waits."""
    command = [sys.executable, "-c", f"import ssl, sqlite3, decimal, sys; {code}; print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


def test_it_does_not_shrink_where_others_run_the_same() -> None:
    with ExitStack() as stack:
        first = stack.enter_context(waiting())
        alone = footprint([first])
        for _ in range(3):
            stack.enter_context(waiting())
        assert alone is not None
        assert alone > 4e6
        assert footprint([first]) == pytest.approx(alone, rel=0.02)


def test_what_two_processes_share_counts_once_and_what_is_theirs_twice() -> None:
    with waiting() as one, waiting() as other:
        both, single = footprint([one, other]), footprint([one])
        assert both is not None
        assert single is not None
        assert single < both < 2 * single - 2e6
    held = f"held = bytearray(b'x') * {MEGABYTES * 10**6}"
    with waiting() as one, waiting(held) as large:
        grown = footprint([one, large])
        assert grown is not None
        assert grown - both == pytest.approx(MEGABYTES * 1e6, rel=0.05)


def test_a_process_that_has_ended_counts_nothing() -> None:
    with waiting() as one:
        pass
    assert footprint([one]) == 0


def test_what_a_process_has_started_belongs_to_it() -> None:
    code = "import subprocess; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"
    with waiting(code) as pid:
        tree = process_tree(pid)
        assert tree[0] == pid
        assert len(tree) == 2

"""Child processes: what becomes of theirs, and of them without a parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelport.runtime.children import describe_exit, spawn

ORPHANS = """
import ctypes, os, signal, subprocess, sys, time
from modelport.runtime.children import bury_orphans
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come to us as they come to process 1
ours = subprocess.Popen([sys.executable, "-c", ""])
subprocess.run(["sh", "-c", "for i in 1 2 3; do true & done; exit 0"])
os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
assert ours.wait() == 0
end = time.monotonic() + 10
while True:
    bury_orphans({ours.pid})
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        break
    assert time.monotonic() < end
ours = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
bury_orphans({ours.pid})
assert ours.wait() == 7  # it was left to whoever waits for it
"""

GONE = """
import os, socket, sys
from modelport.runtime.children import end_with_parent
ours, theirs = socket.socketpair()
end_with_parent(theirs.fileno())
ours.send(b"mail")
end_with_parent(theirs.fileno())
print("lives", flush=True)
ours.close()
theirs.recv(4)
end_with_parent(theirs.fileno())
print("outlives", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_orphans_are_buried_and_our_own_children_left_alone() -> None:
    subprocess.run([sys.executable, "-c", ORPHANS], check=True, timeout=30)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_a_child_whose_parent_was_gone_before_it_asked_ends() -> None:
    done = subprocess.run([sys.executable, "-c", GONE], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("lives\n", 1), done.stderr


def test_a_kill_is_blamed_on_want_of_memory_only_if_there_was_one_since_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = tmp_path / "memory.events"
    monkeypatch.setattr("modelport.runtime.children.OOM_COUNTS", (tmp_path / "missing", counts))
    for before, after, blamed in [(0, 0, False), (3, 3, False), (3, 4, True)]:
        counts.write_text(f"low 0\noom 9\noom_kill {before}\n")
        child = spawn("holder", 0, [sys.executable, "-c", "import time; time.sleep(600)"], (), 1)
        counts.write_text(f"low 0\noom 9\noom_kill {after}\n")
        child.process.kill()
        child.process.wait()
        child.bury()
        assert ("want of memory" in describe_exit(child)) == blamed


@pytest.mark.parametrize("said", ["", "1000"])
def test_children_keep_the_memory_of_large_bodies_unless_their_user_said_otherwise(
    said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    if said:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", said)
    out = tmp_path / "said"
    code = f"import os; open({str(out)!r}, 'w').write(os.environ['MALLOC_TRIM_THRESHOLD_'])"
    child = spawn("worker", 0, [sys.executable, "-c", code], (), 1)
    assert child.process.wait() == 0
    child.bury()
    assert out.read_text() == (said or str(32 * 2**20))

"""Where workers find holders: nothing to write, nothing too long, nobody else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from modelport.runtime.listeners import Meeting, connect_unix, is_stranger


@pytest.fixture(params=["arranged", "folder"])
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Meeting:
    """Both kinds of a place."""
    return Meeting.arrange() if request.param == "arranged" else Meeting(str(tmp_path))


def test_a_worker_meets_the_holder_of_its_model_and_a_model_may_come_back(meeting: Meeting) -> None:
    for _ in range(2):
        with meeting.listen(0) as first, meeting.listen(1), connect_unix(meeting.address(0)) as worker:
            holder, _ = first.accept()
            with holder:
                holder.send(b"hello")
                assert worker.recv(5) == b"hello"
                assert not is_stranger(holder)
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        connect_unix(meeting.address(0))
    meeting.clear()


@pytest.mark.skipif(sys.platform != "linux", reason="names instead of files are of Linux alone")
def test_no_folder_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere/" + "x" * 200)
    monkeypatch.chdir(tmp_path)
    meeting = Meeting.arrange()
    meeting.listen(0).close()
    meeting.clear()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to become somebody else")
def test_another_user_is_a_stranger() -> None:
    meeting = Meeting.arrange()
    with meeting.listen(0) as listener:
        os.seteuid(65534)
        try:
            worker = connect_unix(meeting.address(0))
        finally:
            os.seteuid(0)
        holder, _ = listener.accept()
        with worker, holder:
            assert is_stranger(holder)

"""Signals that come while the command still imports what it needs."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STARTED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "modelport.cli.main":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(sys.argv.pop()))

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs these tests may have ignored both
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.meta_path.insert(0, Interrupt())
runpy.run_module("modelport", run_name="__main__")
"""


def run(number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, which gets this signal as its first import begins."""
    command = [sys.executable, "-c", STARTED, *arguments, str(int(number))]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_order_to_stop_ends_it_without_a_traceback(number: int) -> None:
    done = run(number, "serve", "nothing.joblib")
    assert (done.returncode, done.stderr) == (-number, "")


def test_a_hangup_does_not_end_a_service_that_starts() -> None:
    done = run(signal.SIGHUP, "serve", "nothing.joblib")
    assert done.returncode == 2
    assert "nothing.joblib does not exist" in done.stderr


def test_a_hangup_ends_every_other_command() -> None:
    assert run(signal.SIGHUP, "inspect", "nothing.joblib").returncode == -signal.SIGHUP

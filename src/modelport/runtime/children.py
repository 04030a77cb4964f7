"""Child processes: how they are started, what is known of them, and why one ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.runtime.channel import Line

FROZEN_SECONDS = 20.0
"""A process whose loop stands still for so long, with no call to blame, is stopped or stuck: somebody else must serve."""

WELL_SECONDS = 1.0
"""Of work, after which a death is a mishap: whoever comes next is started at once."""


class StartFailed(Exception):
    """A child could not be started, or said that the service cannot; the message is for the user."""


@dataclass(slots=True, eq=False)
class Child:
    """One process and the line to it. `slot` is its place on the shared board."""

    role: str
    slot: int
    process: subprocess.Popen[bytes]
    line: Line
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    loading_s: float = 0.0
    at_work_since: float = 0.0  # ready to stand by, or to serve
    retired: bool = False  # it was asked to end; its end is no surprise
    left: bool = False  # it accepts nothing more
    description: dict[str, Any] | None = None  # of the model that a holder has loaded
    kill_reason: str = ""
    overran: bool = False  # it is killed for a call that ran past its hard limit
    footprint: str = ""  # while developing: of the code that it was started with
    files: dict[str, Any] = field(default_factory=dict)  # and what it has read besides
    oom_kills_before: int = field(default_factory=lambda: count_oom_kills())

    def tell(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message: what it does not take at once goes when the supervisor next flushes its line."""
        self.line.put(message, descriptors)

    def begin_work(self, now: float) -> None:
        """It is ready to stand by, or was told to serve."""
        if not self.ready:
            self.ready, self.loading_s = True, now - self.started
        self.at_work_since = now

    def was_well(self, now: float) -> bool:
        """Whether it has worked for as long as it took to load: its end, and were it one of many, is no crash loop."""
        return self.ready and now - self.at_work_since >= max(WELL_SECONDS, self.loading_s)

    def retire(self) -> None:
        """Ask it to finish what it has and end."""
        self.retired = True
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self, reason: str) -> None:
        """End it now; the reason goes to the log when it is found dead."""
        self.kill_reason = reason
        self.process.kill()

    def bury(self) -> None:
        """It has ended: what it has started goes with it, for such a process may hold its sockets open."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it led a session of its own
        self.line.close()


def frozen_reason(last_beat: float, now: float, awake_since: float) -> str:
    """Why a process that has given no sign of life for long is to be ended; empty where it is well.

    `awake_since`: when whoever asks was last found to have slept itself, as it does when a whole machine is paused: the
    time before proves nothing.
    """
    silent_s = now - max(last_beat, awake_since)
    return f"killed: it gave no sign of life for {silent_s:.0f} s" if last_beat and silent_s > FROZEN_SECONDS else ""


def spawn(role: str, slot: int, command: Sequence[str], inherit: Sequence[int], threads: int) -> Child:
    """Start a child by command line: no fork after imports, nothing inherited but the named descriptors.

    Raises StartFailed where the system has no descriptor, memory or place for another.
    """
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise StartFailed(f"no {role} can be started: {error.strerror}") from None
    with theirs:
        try:
            process = subprocess.Popen(
                [*command, str(slot), str(theirs.fileno())],
                pass_fds=(*inherit, theirs.fileno()),
                start_new_session=True,  # a terminal's Ctrl-C is the supervisor's to handle
                env=_environment(threads),
            )
        except OSError as error:
            ours.close()
            raise StartFailed(f"no {role} can be started: {error.strerror}") from None
    return Child(role, slot, process, Line(ours))


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


SILENCE = {"ORT_DISABLE_TELEMETRY": "1"}
"""ONNX Runtime would number this machine, keep a database in the user's cache folder and a thread that sends it."""


KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(16 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20)}
"""The C library would give the memory of each large body back at once, and be given it anew, page by page, for the next: a quarter
of the processor time of a body of megabytes. So it keeps up to 32 MiB, and anything above 16 MiB still goes back at once."""


def _environment(threads: int) -> dict[str, str]:
    """Numeric libraries read these when they are imported, and would otherwise take every core of the machine, each."""
    return {**dict.fromkeys(THREAD_VARIABLES, str(threads)), **SILENCE, **KEPT_MEMORY, **os.environ}


def threads_given() -> int:
    """How many threads the numeric libraries of this process may use: what it was started with, or what its user has set."""
    said = os.environ.get(THREAD_VARIABLES[0], "")
    return int(said) if said.isdigit() else 0


def child_command(module: str, *arguments: str) -> list[str]:
    """`-P` keeps a file of the user's called `random.py` from shadowing the library's."""
    return [sys.executable, "-P", "-m", module, *arguments]


def end_with_parent(channel: int) -> None:
    """Have the kernel end this process with its parent: while a model holds the interpreter in C, or is stopped, no loop notices.

    `channel`: the line to the parent, which tells whether it was gone before the kernel knew of our wish.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if _is_closed(channel):
            os._exit(1)


def _is_closed(channel: int) -> bool:
    end = socket.socket(fileno=os.dup(channel))
    with end:
        try:
            return not end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


def bury_orphans(ours: Collection[int]) -> None:
    """Reap what was adopted: process 1 of a container gets whatever a model has started and left behind.

    `ours` are the children that somebody else waits for.
    """
    while hasattr(os, "waitid"):
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in ours:  # ours is reaped in its turn, and we are called again
            return
        os.waitpid(ended.si_pid, 0)


CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
"""What code that runs brings upon its own process."""


def died_of_its_call(child: Child) -> bool:
    """Whether what ran in a dead child can have ended it: it crashed, exited, took all memory, or ran past its hard limit.

    Not so where somebody else killed it: an operator, or a system whose want of memory our cgroup does not count.
    """
    if child.kill_reason:
        return child.overran
    code = child.process.returncode
    return code >= 0 or -code in CRASHES or (-code == signal.SIGKILL and bool(_out_of_memory(child)))


def describe_exit(child: Child) -> str:
    """Why a child ended: a code, a signal, our own reason, or the kernel's out-of-memory killer."""
    code = child.process.returncode
    if child.kill_reason:
        return child.kill_reason
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}{_out_of_memory(child) if name == 'SIGKILL' else ''}"


def _out_of_memory(child: Child) -> str:
    """Only kills since it was started can be its own."""
    if count_oom_kills() <= child.oom_kills_before:
        return ""
    return ", probably for want of memory: this container has had out-of-memory kills since it was started"


OOM_COUNTS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
"""Of this cgroup: version 2, version 1."""


def count_oom_kills() -> int:
    """The out-of-memory kills that this cgroup has counted; 0 where it does not tell."""
    for path in OOM_COUNTS:
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0

"""The machine that is measured on: what explains a speed, and which cores the server and the load may have."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from modelport.errors import SetupError

BUSY_LOAD = 0.5
MOST_FILES = 16384


@dataclass(frozen=True)
class Cores:
    """Which cores the server and its processes have, and which one the load generator has."""

    server: tuple[int, ...]
    load: int

    @property
    def server_list(self) -> str:
        """As `taskset -c` reads it."""
        return ",".join(map(str, self.server))


def choose_cores(usable: set[int], wanted: int) -> Cores:
    """The last usable core is the generator's, the first ones the server's. Raises SetupError where they do not suffice."""
    if wanted < 1:
        raise SetupError(f"--cores wants at least 1, not {wanted}")
    ordered = sorted(usable)
    if len(ordered) < wanted + 1:
        raise SetupError(
            f"{wanted} core{'s' * (wanted > 1)} for the server and one for the load generator are {wanted + 1}, and this "
            f"process may use {len(ordered)}: a generator that shares the server's core measures itself. "
            + ("Use a machine with more cores" if wanted == 1 else "Ask for fewer with --cores")
        )
    return Cores(tuple(ordered[:wanted]), ordered[-1])


def share_a_core(cores: Cores) -> bool:
    """Whether the generator's core is the other thread of a core that the server has: then they slow each other."""
    return bool(_siblings(cores.load) & set(cores.server))


def need_linux() -> None:
    """Raise SetupError elsewhere: pinning and PSS are the kernel's."""
    if not sys.platform.startswith("linux"):
        raise SetupError(
            f"modelport compare pins processes to cores and reads their memory from /proc, which {platform.system()} has not: "
            "run it on Linux, in a container or a virtual machine"
        )


def machine() -> dict[str, str]:
    """Describe the machine as far as it explains a speed."""
    return {
        "processor": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load average before the run": f"{os.getloadavg()[0]:.2f}",
    }


def is_busy() -> bool:
    """Say whether something else is computing here: on two cores, it takes from the server or from the load."""
    return os.getloadavg()[0] > BUSY_LOAD


def need_cores(*cores: int) -> None:
    """Raise when the server and the load cannot have a core each."""
    usable = os.sched_getaffinity(0)
    if len(set(cores)) != len(cores) or not usable.issuperset(cores):
        raise SetupError(f"server and load need two different cores out of {sorted(usable)}, asked for {list(cores)}")


def allow_connections() -> None:
    """As many open files as the administrator allows, for this process and for all that it starts: a connection is one."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _siblings(core: int) -> set[int]:
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"

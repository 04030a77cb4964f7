"""Who puts the load on: wrk for capacity where it is installed, the bundled generator for everything else."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.compare.histogram import Histogram
from modelport.compare.processes import child_environment
from modelport.compare.wrk import run_wrk
from modelport.errors import SetupError

POOL_SCRIPT = Path(__file__).with_name("pool.lua")
BUNDLED = "bundled (Python)"
INSTALLERS = {
    "apt-get": "apt-get install wrk",
    "dnf": "dnf install wrk",
    "zypper": "zypper install wrk",
    "pacman": "pacman -S wrk",
    "apk": "apk add wrk",
    "brew": "brew install wrk",
}
"""By the program that installs packages here."""
OPEN_LOOP_CONNECTIONS = 256


@dataclass(frozen=True)
class Load:
    """What one load brought. `busy` is the share of its core that the generator used, where it is known."""

    generator: str
    seconds: float
    answers: int
    refused: dict[str, int]
    failures: int
    unanswered: int
    latencies: list[list[int]]
    busy: float | None = None
    lag_s: float | None = None
    refused_latencies: list[list[int]] = field(default_factory=list)
    in_flight: int = 0
    """Those of a closed loop that were not answered yet when it ended."""
    pace_per_s: float | None = None
    """Right answers in a second of a closed loop, by what passes between two to the same caller; None where it is not known."""


def need_tools() -> None:
    """Raise SetupError where processes cannot be pinned to cores."""
    if shutil.which("taskset") is None:
        raise SetupError("taskset is not installed; install it with `apt-get install util-linux` and run again")


def found_generator() -> str:
    """Which generator measures capacity here, as the report says it."""
    if shutil.which("wrk") is None:
        return BUNDLED
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split()
    return " ".join(said[:2]) or "wrk"


def offer() -> str:
    """What to install for a capacity that the generator does not bound; empty where a known one is there."""
    if shutil.which("wrk") is not None:
        return ""
    command = next((command for program, command in INSTALLERS.items() if shutil.which(program)), "")
    how = f"`{command}` brings it" if command else "your distribution has it under that name"
    return (
        f"wrk was not found; {how}. Until then capacity is measured by the bundled generator, which is written in Python; "
        "where it was busier than the server, the report says so."
    )


def closed_loop(port: int, pool: Path, *, connections: int, seconds: float, core: int) -> Load:
    """Each connection asks again when it has its answer: this measures capacity."""
    if shutil.which("wrk") is None:
        return _bundled(port, pool, core, connections, seconds)
    before = _children_s()
    found = run_wrk(
        f"http://127.0.0.1:{port}/",
        bodies=pool,
        connections=connections,
        seconds=max(1, round(seconds)),
        core=core,
        script=POOL_SCRIPT,
    )
    took = found.requests / found.requests_per_s if found.requests_per_s else max(1, round(seconds))
    refused = {"not 2xx": found.bad_statuses} if found.bad_statuses else {}
    return Load(
        generator="wrk",
        seconds=took,
        answers=found.requests - found.bad_statuses,
        refused=refused,
        failures=found.errors - found.bad_statuses,
        unanswered=0,
        latencies=[],  # wrk adds samples that it has made up
        busy=min(1.0, (_children_s() - before) / took),
    )


def open_loop(port: int, pool: Path, *, rate: float, seconds: float, seed: int, core: int) -> Load:
    """Requests come at their own times, whatever the server does: this measures latency."""
    return _bundled(port, pool, core, OPEN_LOOP_CONNECTIONS, seconds, "--rate", str(rate), "--seed", str(seed))


def _bundled(port: int, pool: Path, core: int, connections: int, seconds: float, *more: str) -> Load:
    command = ["taskset", "-c", str(core), sys.executable, "-m", "modelport.compare.loadgen", "--port", str(port)]
    command += ["--pool", str(pool), "--connections", str(connections), "--seconds", str(seconds), *more]
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise SetupError(f"the bundled load generator failed: {done.stderr.strip()[-500:]}")
    return _load(json.loads(done.stdout))


def _load(said: dict[str, Any]) -> Load:
    answered = Histogram(said["answered"]).total
    statuses = sum(said["statuses"].values())
    refused = {k: n for k, n in said["statuses"].items() if k != "200"} if statuses > answered else {}
    idle = said.get("idle_share")
    return Load(
        generator=BUNDLED,
        seconds=said["seconds"],
        answers=answered,
        refused=refused,
        failures=sum(said["failures"].values()),
        unanswered=said["unanswered"],
        latencies=said["answered"],
        busy=None if idle is None else 1 - idle,
        lag_s=said.get("lag_s"),
        refused_latencies=said["refused"],
        in_flight=said.get("in_flight", 0),
        pace_per_s=said.get("pace_per_s"),
    )


def _children_s() -> float:
    """Processor time of children that have ended: a server under test has not."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def impatient_loop(
    port: int, pool: Path, *, rate: float, seconds: float, seed: int, core: int, patience_s: float
) -> Load:
    """An open loop of clients who hang up when their patience ends, each on a connection of its own.

    What comes before the patience of the first has ended is not counted: until then no queue has its length.
    """
    more = ("--rate", str(rate), "--seed", str(seed), "--patience", str(patience_s), "--skip", str(patience_s))
    most = max(OPEN_LOOP_CONNECTIONS, round(2 * rate * patience_s))
    return _bundled(port, pool, core, most, seconds + patience_s, *more)


def steady_loop(port: int, pool: Path, *, connections: int, seconds: float, core: int) -> Load:
    """A closed loop by the bundled generator whatever is installed: it knows what each caller has had, and no whole seconds."""
    return _bundled(port, pool, core, connections, seconds)


def status_loop(port: int, pool: Path, *, connections: int, seconds: float, core: int) -> tuple[Load, dict[str, int]]:
    """A closed loop, and its answers by the class of their status, such as 4xx; what failed is nothing of any class."""
    if shutil.which("wrk") is None:
        load = _bundled(port, pool, core, connections, seconds)
        return load, _classes({"200": load.answers} | load.refused)
    before, whole = _children_s(), max(1, round(seconds))
    url = f"http://127.0.0.1:{port}/"
    found = run_wrk(
        url, bodies=pool, connections=connections, seconds=whole, core=core, script=POOL_SCRIPT, more=("statuses",)
    )
    took = found.requests / found.requests_per_s if found.requests_per_s else whole
    failures = found.errors - found.bad_statuses
    busy = min(1.0, (_children_s() - before) / took)
    return Load("wrk", took, found.requests - found.bad_statuses, {}, failures, 0, [], busy), found.statuses


def _classes(statuses: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for status, count in statuses.items():
        found[f"{status[0]}xx"] = found.get(f"{status[0]}xx", 0) + count
    return found

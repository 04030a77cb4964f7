"""Put load on a server with wrk, from another core, and read what wrk reports."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelport.errors import SetupError

REPLAY = Path(__file__).with_name("replay.lua")
TIMEOUT_S = 10

_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_NUMBER = r"([\d.]+)"


@dataclass(frozen=True)
class LoadResult:
    """What one run of wrk measured."""

    connections: int
    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    bad_statuses: int = 0
    """Those of the errors that were answers, with another status than 2xx or 3xx."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Answers by class, such as 4xx, where the script counts them."""


def need_tools() -> None:
    """Raise, naming the command to run, when a program that the load needs is missing."""
    if shutil.which("wrk") is None:
        raise SetupError("wrk is not installed; install it with `apt-get install wrk` (Debian, Ubuntu) and run again")
    if shutil.which("taskset") is None:
        raise SetupError("taskset is not installed; install it with `apt-get install util-linux` and run again")


def write_bodies(bodies: Iterable[bytes], path: Path) -> Path:
    """Write the pool of request bodies in the form that the Lua script reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    return path


def run_wrk(
    url: str,
    *,
    bodies: Path,
    connections: int,
    seconds: float,
    core: int,
    script: Path = REPLAY,
    more: Sequence[str] = (),
) -> LoadResult:
    """Run wrk with one thread in a closed loop: each connection waits for an answer before it asks again."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{_whole_seconds(seconds)}s"]
    command += ["--latency", f"--timeout={TIMEOUT_S}s", "-s", str(script), url, "--", str(bodies), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode != 0:
        raise SetupError(f"wrk failed with exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout, connections=connections)


def parse(text: str, *, connections: int) -> LoadResult:
    """Read wrk's report. Its thread statistics are skipped: they hold averages of averages, at times ``-nan%``."""
    return LoadResult(
        connections=connections,
        requests=int(_find(r"(\d+) requests in", text)),
        requests_per_s=float(_find(rf"Requests/sec:\s+{_NUMBER}", text)),
        p50_ms=_percentile(50, text),
        p99_ms=_percentile(99, text),
        errors=_errors(text) + _bad_statuses(text),
        bad_statuses=_bad_statuses(text),
        statuses={word: int(n) for word, n in re.findall(r"^status (\dxx): (\d+)$", text, re.MULTILINE)},
    )


def _whole_seconds(seconds: float) -> int:
    if seconds < 1 or seconds != int(seconds):
        raise SetupError(f"wrk takes whole seconds from 1 upwards, not {seconds:g}")
    return int(seconds)


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SetupError(f"wrk's report has no match for {pattern!r}:\n{text}")
    return found[1]


def _percentile(percent: int, text: str) -> float:
    found = re.search(rf"^\s+{percent}(?:\.0+)?%\s+{_NUMBER}(us|ms|s|m|h)\s*$", text, re.MULTILINE)
    if found is None:
        raise SetupError(f"wrk's report has no {percent}% line:\n{text}")
    return float(found[1]) * _MILLISECONDS[found[2]]


def _errors(text: str) -> int:
    """Count every request that was not answered; wrk leaves the line out when there is none."""
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return sum(int(n) for n in sockets.groups()) if sockets else 0


def _bad_statuses(text: str) -> int:
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return int(statuses[1]) if statuses else 0

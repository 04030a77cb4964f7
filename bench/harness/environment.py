"""The environments that contestants run in, and the description of the machine they run on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness.errors import BenchError
from bench.harness.processes import child_environment

ENVIRONMENTS = Path(".venv-bench")
STAMP = "requirements.stamp"
BUSY_LOAD = 0.5


def python_of(name: str) -> str:
    """Return the interpreter of an environment, relative to the project."""
    return str(ENVIRONMENTS / name / "bin" / "python")


def ensure_environment(name: str, requirements: Path, constraints: Path) -> None:
    """Build an environment from a requirements file, unless it was built from the same text before."""
    folder = ENVIRONMENTS / name
    wanted = _digest(requirements, constraints)
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _new_environment(folder)
    _install(name, "-r", str(requirements), *_constrained(constraints))
    stamp.write_text(wanted)


def install_tree(name: str, requirement: str, constraints: Path) -> None:
    """Install the project itself, built from the tree as it is now, beside what its own users would get with it."""
    if not Path(python_of(name)).exists():
        _new_environment(ENVIRONMENTS / name)
    _install(name, requirement, *_constrained(constraints))


def versions_of(name: str) -> dict[str, str]:
    """Return the version of every package of an environment."""
    done = _run([python_of(name), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"])
    return {row["name"].lower(): row["version"] for row in json.loads(done)}


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
        raise BenchError(f"server and load need two different cores out of {sorted(usable)}, asked for {list(cores)}")


def _new_environment(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])


def _install(name: str, *arguments: str) -> None:
    """Install quietly and byte-compile everything, so that no first start pays for the compiler."""
    python = python_of(name)
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])
    libraries = str(next((ENVIRONMENTS / name / "lib").glob("python*/site-packages")))
    # Its exit status says nothing: some packages ship files for other versions of Python, which do not compile here.
    compiling = [python, "-m", "compileall", "-q", libraries]
    subprocess.run(compiling, env=child_environment(), capture_output=True, check=False)


def _constrained(constraints: Path) -> Sequence[str]:
    return ["-c", str(constraints)] if constraints.exists() else []


def _digest(*files: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"

"""The environments that contestants of the benchmarks run in, below the project's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modelport.compare.environments import Environment, stamp_of
from modelport.compare.machine import is_busy, machine, need_cores

__all__ = [
    "ENVIRONMENTS",
    "ensure_environment",
    "install_tree",
    "is_busy",
    "machine",
    "need_cores",
    "python_of",
    "versions_of",
]

ENVIRONMENTS = Path(".venv-bench")


def python_of(name: str) -> str:
    """Return the interpreter of an environment, relative to the project."""
    return Environment(ENVIRONMENTS / name).python


def ensure_environment(name: str, requirements: Path, constraints: Path) -> None:
    """Build an environment from a requirements file, unless it was built from the same text before."""
    environment, wanted = Environment(ENVIRONMENTS / name), stamp_of(requirements, constraints)
    if not environment.is_current(wanted):
        environment.build(wanted, "-r", str(requirements), *_constrained(constraints))


def install_tree(name: str, requirement: str, constraints: Path) -> None:
    """Install the project itself, built from the tree as it is now, beside what its own users would get with it."""
    environment = Environment(ENVIRONMENTS / name)
    if not Path(environment.python).exists():
        environment.create()
    environment.install(requirement, *_constrained(constraints))


def versions_of(name: str) -> dict[str, str]:
    """Return the version of every package of an environment."""
    return Environment(ENVIRONMENTS / name).versions()


def _constrained(constraints: Path) -> Sequence[str]:
    return ["-c", str(constraints)] if constraints.exists() else []

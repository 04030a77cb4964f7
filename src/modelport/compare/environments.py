"""Virtual environments that contestants run in: each built once from its own requirements, and kept."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelport.compare.processes import child_environment
from modelport.errors import SetupError

STAMP = "requirements.stamp"


@dataclass(frozen=True)
class Environment:
    """One virtual environment."""

    folder: Path
    problem: str = ""
    """Why it could not be built."""

    @property
    def python(self) -> str:
        """Its interpreter."""
        return self.program("python")

    def program(self, name: str) -> str:
        """One of its programs."""
        return str(self.folder / "bin" / name)

    def is_current(self, stamp: str) -> bool:
        """Whether it was built, to its end, from what the stamp is a digest of."""
        path = self.folder / STAMP
        return path.exists() and path.read_text() == stamp

    def build(self, stamp: str, *arguments: str) -> None:
        """Make it anew and install. The stamp comes last: what was interrupted is built again."""
        self.create()
        self.install(*arguments)
        (self.folder / STAMP).write_text(stamp)

    def create(self) -> None:
        """An empty one, in place of what is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(self.folder)])

    def install(self, *arguments: str) -> None:
        """Install quietly and byte-compile everything, so that no first start pays for the compiler."""
        _run([self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])
        libraries = str(next((self.folder / "lib").glob("python*/site-packages")))
        # Its exit status says nothing: some packages ship files for other versions of Python, which do not compile here.
        compiling = [self.python, "-m", "compileall", "-q", libraries]
        subprocess.run(compiling, env=child_environment(), capture_output=True, check=False)

    def versions(self) -> dict[str, str]:
        """The version of every package in it."""
        done = _run([self.python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"])
        return {row["name"].lower(): row["version"] for row in json.loads(done)}


def reason_in(said: str) -> str:
    """The line of an installer's last words that says why."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or ["it did not say why"])[0][:300]


def stamp_of(*files: Path) -> str:
    """A digest of the files and of this Python; absent files count as empty ones."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout

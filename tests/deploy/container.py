"""Builds and runs a real image without any daemon: buildah in a chroot, podman with runc, Debian's packages as the base."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
BASE, CONTROL_BASE = "localhost/modelport-base:test", "localhost/modelport-base:test"
PACKAGES = "python3-minimal,python3-venv,ca-certificates"
PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "none")


def need_tools() -> None:
    """Skip, visibly, where an image cannot be built."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"an image cannot be built here: {', '.join(missing) or 'not root'}")


def call(*command: object, timeout: float = 600, **more: object) -> str:
    """Run a command; its output. Fails with what it said."""
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False, env=environment, **more
    )  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return str(done.stdout)


def build_base(folder: Path) -> None:
    """An interpreter and nothing else, from the distribution's packages, kept from run to run."""
    if subprocess.run(["buildah", "inspect", BASE], capture_output=True, check=False).returncode == 0:
        return
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder / "base.tar")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no packages of the distribution: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "Containerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
    call("buildah", "bud", "--format", "docker", "-q", "-t", BASE, folder)


def collect_wheels(folder: Path) -> None:
    """Everything of `requirements.lock`, and this Modelport, into the folder wheels."""
    wheels = folder / "wheels"
    wheels.mkdir()
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    call(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT)
    others = [line for line in (folder / "requirements.lock").read_text().splitlines() if "modelport" not in line]
    (folder / "others.txt").write_text("\n".join(others), encoding="utf-8")
    call(*pip, "download", "--no-deps", "-d", wheels, "-r", folder / "others.txt")


def image_bytes(name: str) -> int:
    """Uncompressed."""
    (found,) = json.loads(call("buildah", "images", "--json", name))
    number, _, unit = found["size"].partition(" ")
    return int(float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])


class Container:
    """One that runs."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port, self.url = name, port, f"http://127.0.0.1:{port}"

    def ask(self, path: str) -> int:
        """The status of a GET; 0 where nobody answers."""
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.HTTPError:
            return 0

    def wait_ready(self, path: str = "/readyz", limit_s: float = 60) -> None:
        """Until it answers 200."""
        until = time.monotonic() + limit_s
        while self.ask(path) != 200:
            assert time.monotonic() < until, self.log()
            time.sleep(0.01)

    def log(self) -> str:
        """Everything it said."""
        done = subprocess.run([*PODMAN, "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def exec(self, *command: str) -> str:
        """Run something inside."""
        return call(*PODMAN, "exec", self.name, *command)

    def stop(self, timeout_s: int = 45) -> int:
        """SIGTERM; its exit code."""
        call(*PODMAN, "stop", "-t", timeout_s, self.name)
        return int(call(*PODMAN, "inspect", self.name, "--format", "{{.State.ExitCode}}"))

    def oom_killed(self) -> bool:
        """Whether the kernel ended it for want of memory."""
        return call(*PODMAN, "inspect", self.name, "--format", "{{.State.OOMKilled}}").strip() == "true"


@contextmanager
def running(image: str, name: str, port: int, memory: str = "256m", cpus: str = "0.5") -> Iterator[Container]:
    """As a careful cluster runs it: not root, nothing to write to, no capability, little memory, half a processor."""
    limits = ("--memory", memory, "--cpus", cpus, "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024")
    rights = ("--read-only", "--tmpfs", "/tmp:size=16m", "--cap-drop", "all", "--security-opt", "no-new-privileges")
    subprocess.run([*PODMAN, "rm", "-f", name], capture_output=True, check=False)
    where = ("--runtime", "runc", "--no-healthcheck", "--network", "host", "-e", f"MODELPORT_PORT={port}")
    call(*PODMAN, "run", "-d", *where, *limits, *rights, "--name", name, image)
    try:
        yield Container(name, port)
    finally:
        subprocess.run([*PODMAN, "rm", "-f", "-t", "1", name], capture_output=True, check=False)

"""Builds and runs a real image without any daemon: buildah in a chroot, podman with runc, Debian's packages as the base."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness.errors import BenchError
from modelport.compare.client import fetch_status

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
BASE = "localhost/modelport-base:test"
PACKAGES = "python3-minimal,python3-venv,ca-certificates"
PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "none")


def why_not() -> str:
    """Why no image can be built here; empty where one can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"an image cannot be built here: {', '.join(missing)} not installed"
    return "" if os.geteuid() == 0 else "an image cannot be built here: not root"


def call(*command: object, timeout: float = 600, **more: object) -> str:
    """Run a command; its output. Raises BenchError with what it said."""
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False, env=environment, **more
    )  # type: ignore[call-overload]
    if done.returncode:
        raise BenchError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return str(done.stdout)


def build_base(folder: Path, name: str = BASE, packages: str = PACKAGES) -> None:
    """An interpreter and nothing else, from the distribution's packages, kept from run to run."""
    if subprocess.run(["buildah", "inspect", name], capture_output=True, check=False).returncode == 0:
        return
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(folder / "base.tar")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"no packages of the distribution: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "Containerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
    call("buildah", "bud", "--format", "docker", "-q", "-t", name, folder)


def collect_wheels(folder: Path) -> None:
    """Everything of `requirements.lock`, and this Modelport, into the folder wheels."""
    wheels = folder / "wheels"
    wheels.mkdir()
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    call(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT)
    others = [line for line in (folder / "requirements.lock").read_text().splitlines() if "modelport" not in line]
    (wheels / "others.txt").write_text("\n".join(others), encoding="utf-8")
    call(*pip, "download", "--no-deps", "-d", wheels, "-r", wheels / "others.txt")


def build_image(folder: Path, name: str, base: str = BASE) -> None:
    """From a folder with a Dockerfile, on a base of ours."""
    call("buildah", "bud", "--format", "docker", "--build-arg", f"BASE={base}", "-t", name, folder, timeout=1200)


def labels_of(name: str) -> dict[str, str]:
    """What an image says of itself."""
    found = json.loads(call("buildah", "inspect", "--type", "image", name))["Docker"]["config"]["Labels"]
    return {str(key): str(value) for key, value in found.items()}


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
        return fetch_status(self.port, path)

    def wait_ready(self, path: str = "/readyz", limit_s: float = 60) -> None:
        """Until it answers 200."""
        until = time.monotonic() + limit_s
        while self.ask(path) != 200:
            if time.monotonic() > until:
                raise BenchError(f"not ready within {limit_s:g} s:\n{self.log()}")
            time.sleep(0.005)

    def log(self) -> str:
        """Everything it said."""
        done = subprocess.run([*PODMAN, "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def pid(self) -> int:
        """Its first process, as the host sees it."""
        return int(call(*PODMAN, "inspect", self.name, "--format", "{{.State.Pid}}"))

    def began(self) -> float:
        """When its first process was made, on the clock of `time.time()`, to a hundredth of a second."""
        ticks = int(Path(f"/proc/{self.pid()}/stat").read_text().rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")

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


@dataclass(frozen=True, slots=True)
class Limits:
    """As a careful cluster runs it: little memory, half a processor; `more` is said to podman, `arguments` to the image."""

    memory: str = "256m"
    cpus: str = "0.5"
    more: Sequence[str] = ("--tmpfs", "/tmp:size=16m")
    arguments: Sequence[str] = ()


def create(image: str, name: str, port: int, limits: Limits = Limits()) -> Container:
    """Not root, nothing to write to, no capability. Not started."""
    bounds = (
        "--memory",
        limits.memory,
        "--cpus",
        limits.cpus,
        "--ulimit",
        "nofile=4096:4096",
        "--ulimit",
        "nproc=1024:1024",
    )
    rights = ("--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges")
    told = ("-e", f"MODELPORT_PORT={port}", "-e", f"PORT={port}")
    where = ("--runtime", "runc", "--no-healthcheck", "--network", "host", *told)
    remove(name)
    call(*PODMAN, "create", *where, *bounds, *rights, *limits.more, "--name", name, image, *limits.arguments)
    return Container(name, port)


def start(container: Container) -> None:
    """Its first process runs when this returns."""
    call(*PODMAN, "start", container.name)


def remove(name: str) -> None:
    """Whether it is there or not."""
    subprocess.run([*PODMAN, "rm", "-f", "-t", "1", name], capture_output=True, check=False)


@contextmanager
def running(image: str, name: str, port: int, limits: Limits = Limits()) -> Iterator[Container]:
    """Created, started, and removed at the end."""
    container = create(image, name, port, limits)
    try:
        start(container)
        yield container
    finally:
        remove(name)

"""The shipped image, really built and really run, within the limits of a small replica."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.harness.containers import (
    BASE,
    PODMAN,
    Container,
    Limits,
    build_base,
    build_image,
    call,
    collect_wheels,
    image_bytes,
    labels_of,
    running,
    why_not,
)
from tests.deploy.conftest import modelport

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
IMAGE = "localhost/modelport-genre:test"
LARGEST_MB = 250
WORKING = {
    "acousticness": 0.4, "danceability": 0.7, "energy": 0.6, "instrumentalness": 0.01,
    "liveness": 0.2, "speechiness": 0.2, "tempo": 165.9, "valence": 0.6,
}  # fmt: skip


@pytest.fixture(scope="module")
def image(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the compiled music model, built with the shipped recipe and no network inside."""
    if reason := why_not():
        pytest.skip(reason)
    build_base(tmp_path_factory.mktemp("base"))
    folder = tmp_path_factory.mktemp("image")
    shipped = modelport("ship", "docker", bundle, "--out", folder, "--wheels", folder=folder)
    assert shipped.returncode == 0, shipped.stderr
    collect_wheels(folder)
    build_image(folder, IMAGE)
    return IMAGE


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    """It runs, and is ready."""
    with running(image, "modelport-test", free_port()) as container:
        container.wait_ready()
        yield container


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_is_small(image: str) -> None:
    above = (image_bytes(image) - image_bytes(BASE)) / 1e6
    assert above <= LARGEST_MB, f"{above:.0f} MB above its base"


def test_it_runs_without_rights_and_holds_only_what_it_needs(container: Container) -> None:
    assert "uid=10001(" in container.exec("id")
    assert container.exec("modelport", "healthcheck").startswith("200 ")
    packages = container.exec("ls", "/opt/venv/lib/python3.11/site-packages")
    assert "onnxruntime" in packages
    assert "sklearn" not in packages
    processes = json.loads(httpx.get(f"{container.url}/status").text)["processes"]
    assert next(p for p in processes if p["role"] == "supervisor")["pid"] == 1
    assert httpx.post(f"{container.url}/predict", json=WORKING).json()["prediction"] in ("Rock", "Hip-Hop")


def test_a_load_of_32_connections_does_not_kill_it_and_sigterm_loses_no_request(
    container: Container, tmp_path: Path
) -> None:
    wrk = shutil.which("wrk") or pytest.skip("wrk is not installed")
    script = tmp_path / "post.lua"
    body = json.dumps(WORKING)
    script.write_text(
        f"wrk.method='POST'; wrk.headers['content-type']='application/json'; wrk.body='{body}'", encoding="utf-8"
    )
    load = subprocess.run(
        [wrk, "-t1", "-c32", "-d8", "-s", str(script), f"{container.url}/predict"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Non-2xx" not in load.stdout
    assert "Socket errors" not in load.stdout
    assert not container.oom_killed()
    lost = Callers(container.url)
    lost.start()
    code = container.stop()
    assert (code, lost.finish()) == (0, 0)


def test_it_starts_again_after_it_was_killed(image: str) -> None:
    port = free_port()
    with running(image, "modelport-again", port) as first:
        first.wait_ready()
        call(*PODMAN, "kill", "-s", "KILL", first.name)
        call(*PODMAN, "start", first.name)
        first.wait_ready()
        assert httpx.post(f"{first.url}/predict", json=WORKING).status_code == 200


def test_its_labels_say_which_bundle_and_which_base(image: str, bundle: Path) -> None:
    labels = labels_of(image)
    assert labels["modelport.bundle.sha256"] == hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert labels["org.opencontainers.image.base.name"] == BASE
    assert {"modelport.package.onnxruntime", "modelport.package.numpy", "modelport.version"} <= labels.keys()


def test_it_serves_a_bundle_that_kserve_has_mounted_and_writes_nowhere(image: str, bundle: Path) -> None:
    mounted = ("--volume", f"{bundle}:/mnt/models:ro")
    limits = Limits(more=mounted, arguments=("serve", "/mnt/models", "--name", "song"))
    with running(image, "modelport-kserve", free_port(), limits) as container:
        container.wait_ready()
        assert httpx.post(f"{container.url}/models/song/predict", json=WORKING).status_code == 200


class Callers:
    """Clients that look at readiness as a load balancer does, and count the requests that were lost while they sent any."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.url, self.lost, self.sent = url, 0, 0
        self.enough = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def start(self) -> None:
        """Until fifty requests were answered."""
        for thread in self._threads:
            thread.start()
        self.enough.wait(30)

    def _call(self) -> None:
        with httpx.Client() as client:
            try:
                while client.get(f"{self.url}/readyz").status_code == 200:
                    self.sent += 1
                    if self.sent >= 50:
                        self.enough.set()
                    try:
                        self.lost += client.post(f"{self.url}/predict", json=WORKING).status_code != 200
                    except httpx.HTTPError:
                        self.lost += 1
            except httpx.HTTPError:  # of the probe: it has ended, which it may between two requests
                return

    def finish(self) -> int:
        """How many were lost."""
        for thread in self._threads:
            thread.join(60)
        assert self.enough.is_set()
        return self.lost

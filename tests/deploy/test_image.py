"""The shipped image, really built and really run, within the limits of a small replica."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

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
from tests.conftest import Music
from tests.deploy.conftest import modelport

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
IMAGE = "localhost/modelport-genre:test"
LARGEST_MB = 250
WORKING = {
    "acousticness": 0.4, "danceability": 0.7, "energy": 0.6, "instrumentalness": 0.01,
    "liveness": 0.2, "speechiness": 0.2, "tempo": 165.9, "valence": 0.6,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is shipped of the compiled music model, with its wheels."""
    if reason := why_not():
        pytest.skip(reason)
    build_base(tmp_path_factory.mktemp("base"))
    folder = tmp_path_factory.mktemp("image")
    shipped = modelport("ship", "docker", bundle, "--out", folder, "--wheels", folder=folder)
    assert shipped.returncode == 0, shipped.stderr
    collect_wheels(folder)
    return folder


@pytest.fixture(scope="module")
def image(folder: Path) -> str:
    """Built with the shipped recipe and no network inside."""
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


def test_within_the_limits_that_are_shipped_a_crowd_of_the_largest_bodies_does_not_end_it(
    image: str, folder: Path
) -> None:
    (composed,) = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    body = json.dumps([WORKING] * 105_000).encode()
    assert 15 << 20 < len(body) < 16 << 20
    with running(
        image, "modelport-crowd", free_port(), Limits(composed["mem_limit"], str(composed["cpus"]))
    ) as container:
        container.wait_ready()
        with ThreadPoolExecutor(6) as pool:
            found = set(pool.map(lambda _: post(container.url, body), range(6)))
        assert 200 in found
        assert found <= {200, 503}
        assert not container.oom_killed()
        assert httpx.post(f"{container.url}/predict", json=WORKING).status_code == 200


def post(url: str, body: bytes) -> int:
    """The status; a refusal may come before all of the body was taken."""
    try:
        return httpx.post(
            f"{url}/predict", content=body, headers={"content-type": "application/json"}, timeout=60
        ).status_code
    except httpx.WriteError:
        return 503


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


@pytest.mark.parametrize("trainer", ["scikit-learn", "xgboost"])
def test_an_image_of_an_original_has_the_library_that_saved_it_and_no_other(
    image: str, trainer: str, music: Music, tmp_path: Path
) -> None:
    saved = music.joblib if trainer == "scikit-learn" else boosted(music, tmp_path)
    built = modelport("build", saved, "--no-compile", "-o", "plain.bundle", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    shipped = modelport("ship", "docker", "plain.bundle", "--out", "out", "--wheels", folder=tmp_path)
    assert shipped.returncode == 0, shipped.stderr
    listed = (tmp_path / "out" / "requirements.lock").read_text(encoding="utf-8")
    others = {"xgboost", "lightgbm", "catboost", "onnx", "onnxruntime", "torch"} - {trainer}
    assert [line for line in listed.splitlines() if line.partition("==")[0] in others] == []
    assert "nvidia" not in listed  # XGBoost asks for it, and predicts without it
    if trainer != "scikit-learn":
        assert f"\n{trainer}==" in listed
        return
    collect_wheels(tmp_path / "out")
    build_image(tmp_path / "out", "localhost/modelport-plain:test")
    limits = Limits("512m", "2")
    with running("localhost/modelport-plain:test", "modelport-plain", free_port(), limits) as container:
        container.wait_ready()
        assert httpx.post(f"{container.url}/predict", json=WORKING).status_code == 200


def boosted(music: Music, folder: Path) -> Path:
    """A model of another library in a joblib file."""
    code = """
import joblib, pandas, sys, xgboost
data = pandas.read_csv(sys.argv[1])
inputs, target = data.drop(columns="genre").select_dtypes("number"), data["genre"].astype("category").cat.codes
joblib.dump(xgboost.XGBClassifier(n_estimators=2).fit(inputs, target), sys.argv[2])
"""
    call(sys.executable, "-c", code, music.data, folder / "boosted.joblib")
    return folder / "boosted.joblib"


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

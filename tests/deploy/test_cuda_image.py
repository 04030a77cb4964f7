"""The CUDA variant, built and run on a base that has no Python, as CUDA's has none. Neither CUDA nor its hardware is here."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from bench.harness.containers import build_base, build_image, collect_wheels, running, why_not
from bench.harness.errors import BenchError
from tests.deploy.conftest import modelport
from tests.process.server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
BARE, IMAGE = "localhost/modelport-bare:test", "localhost/modelport-cuda:test"
NO_NETWORK = ("Failed to fetch", "Temporary failure", "Unable to locate package", "Could not resolve")


def test_it_brings_its_own_python_and_answers(app: Path, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    build_base(tmp_path / "base", BARE, "ca-certificates")
    folder = tmp_path / "service"
    folder.mkdir()
    for file in (app, app.with_name("requirements.txt")):
        (folder / file.name).write_bytes(file.read_bytes())
    shipped = modelport("ship", "docker", "app.py", "--cuda", "--wheels", folder=folder)
    assert shipped.returncode == 0, shipped.stderr
    assert "nothing that app.py needs uses a GPU" in shipped.stderr
    collect_wheels(folder)
    try:
        build_image(folder, IMAGE, BARE)
    except BenchError as error:
        if any(words in str(error) for words in NO_NETWORK):
            pytest.skip("the distribution's packages cannot be had inside a build here")
        raise
    with running(IMAGE, "modelport-cuda", free_port()) as container:
        container.wait_ready()
        assert httpx.post(f"{container.url}/predict", json={"decibel": 20.0}).json() == pytest.approx(10)

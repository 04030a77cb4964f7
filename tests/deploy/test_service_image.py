"""The image of a service in Python: built from its folder, run within the limits that were computed for it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from bench.harness.containers import Limits, build_base, build_image, collect_wheels, running, why_not
from tests.deploy.conftest import modelport
from tests.process.server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
IMAGE = "localhost/modelport-service:test"
FILES = {
    "app.py": """
import json
from pathlib import Path

import joblib
from modelport import Service
from tables.gain import factor

service = Service("loudness")
offset = json.loads(Path(__file__).with_name("offset.json").read_text())["offset"]


@service.model("loudness", example={"decibel": 20.0})
def loudness(decibel: float) -> dict[str, object]:
    return {"gain": factor(decibel + offset), "with": joblib.__name__}
""",
    "tables/__init__.py": "",
    "tables/gain.py": "def factor(decibel: float) -> float:\n    return 10 ** (decibel / 20)\n",
    "tables/.secret": "nothing for an image",
    "requirements.txt": "modelport\njoblib>=1.3\n",
    "modelport.toml": 'port = 9999\ndefault_deadline = "60s"\n',
    "offset.json": '{"offset": 0.0}',
    ".env": "TOKEN=1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shipped and built. One file is nobody's but its owner's, as files under a strict umask are."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("service")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "offset.json").chmod(0o600)
    build_base(tmp_path_factory.mktemp("base"))
    shipped = modelport("ship", "docker", "app.py", "--name", "loud", "--wheels", folder=folder)
    assert shipped.returncode == 0, shipped.stderr
    collect_wheels(folder)
    build_image(folder, IMAGE)
    return folder


def test_it_answers_within_the_limits_that_were_computed_and_drains(folder: Path) -> None:
    (composed,) = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    limits = Limits(composed["mem_limit"], str(composed["cpus"]))
    with running(IMAGE, "modelport-service", free_port(), limits) as container:
        container.wait_ready()
        answer = httpx.post(f"{container.url}/predict", json={"decibel": 20.0}).json()
        assert answer["gain"] == pytest.approx(10)
        assert answer["with"] == "joblib"
        assert not container.oom_killed()
        assert container.stop() == 0
    assert composed["stop_grace_period"] == "75s"  # its file lets a call take a minute


def test_it_holds_the_service_and_nothing_that_it_was_built_from(folder: Path) -> None:
    with running(IMAGE, "modelport-service", free_port(), Limits("512m", "2")) as container:
        container.wait_ready()
        listed = {Path(line).relative_to("/srv").as_posix() for line in container.exec("find", "/srv").splitlines()}
        wanted = set(FILES) - {".env", "tables/.secret"}
        assert wanted <= listed
        compiled = {name for name in listed if name.endswith(".pyc")}
        assert {"tables/__pycache__/gain.cpython-311.pyc"} <= compiled
        others = listed - wanted - compiled - {".", "tables", "tables/__pycache__", "__pycache__"}
        assert others == set()

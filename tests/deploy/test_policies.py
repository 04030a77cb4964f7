"""What checkov, which knows what goes wrong in clusters, finds in what is shipped: nothing but what is named here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.harness import environment
from bench.harness.errors import BenchError
from modelport.deploy.files import write_files
from modelport.deploy.image import ImageOptions, dockerfile
from modelport.deploy.subject import read_subject
from modelport.deploy.text import to_yaml
from tests.deploy.test_manifests import PLAIN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
WANTED = Path("tests/deploy/checkov.txt")
OF_THE_DOCKERFILE = {"CKV_DOCKER_7": "the base is an ARG, which checkov does not look into; its default has a tag"}
EXCEPTIONS = {
    "CKV_K8S_15": "the tag is of a digest and never moves: pulling it at every start would make starts depend on a registry",
    "CKV_K8S_21": "the namespace is for who applies them to say: kubectl apply -n",
    "CKV_K8S_43": "the digest of an image is known when it was pushed, and can be said then: --tag NAME@sha256:…",
}


@pytest.fixture(scope="module")
def checkov() -> Path:
    """In an environment of its own: it wants other versions than we do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        try:
            environment.ensure_environment("checkov", WANTED, Path("no-constraints"))
        except BenchError as error:
            pytest.skip(f"checkov cannot be installed: {str(error).splitlines()[-1]}")
    return ROOT / environment.python_of("checkov")


def failed(python: Path, folder: Path, framework: str) -> dict[str, str]:
    """The policies that were not kept, and what they say."""
    command = [python.with_name("checkov"), "-d", folder, "--framework", framework, "-o", "json", "--compact"]
    done = subprocess.run(
        [python, *map(str, command), "--skip-download"], capture_output=True, text=True, timeout=600, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["summary"]["passed"] > 20, done.stdout[-1000:] + done.stderr[-1000:]
    return {check["check_id"]: check["check_name"] for check in found["results"]["failed_checks"]}


def test_manifests_keep_every_policy_but_those_that_are_excepted(checkov: Path, tmp_path: Path) -> None:
    write_files(tmp_path, {f"{kind}.yaml": to_yaml(obj) for kind, obj in PLAIN.items()}, force=False)
    found = failed(checkov, tmp_path, "kubernetes")
    assert {check: name for check, name in found.items() if check not in EXCEPTIONS} == {}
    assert EXCEPTIONS.keys() - found.keys() == set()


def test_the_dockerfile_keeps_every_policy(checkov: Path, bundle: Path, tmp_path: Path) -> None:
    text = dockerfile(read_subject(str(bundle)), ImageOptions("genre:1"), "0.1.0")
    (tmp_path / "Dockerfile").write_text(text, encoding="utf-8")
    assert "ARG BASE=python:3." in text
    assert failed(checkov, tmp_path, "dockerfile").keys() == OF_THE_DOCKERFILE.keys()

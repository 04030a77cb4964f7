"""What is shipped is valid: to the validators of those who take it, and to the service whose metrics it names."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest

from modelport.deploy import monitoring
from modelport.deploy.image import ImageOptions, dockerfile
from modelport.deploy.knative import knative
from modelport.deploy.kserve import kserve
from modelport.deploy.kubernetes import Release, manifests
from modelport.deploy.resources import Resources
from modelport.deploy.subject import read_subject
from modelport.deploy.text import to_yaml

SCHEMAS = Path(__file__).parent / "schemas"
NEEDED = Resources(memory_mib=256, cpu_millis=1000, start_s=30, pre_stop_s=5, stop_s=35, termination_s=45)
RELEASE = Release("genre", "a476ddec59e7", "registry.example/genre:a476ddec59e7", NEEDED)
SCALERS = {
    "horizontalpodautoscaler": monitoring.horizontal_autoscaler(RELEASE),
    "scaledobject": monitoring.keda_scaler(RELEASE),
}
PLAIN = manifests(RELEASE) | {"horizontalpodautoscaler": SCALERS["horizontalpodautoscaler"]}
SCALED = replace(RELEASE, autoscaler="keda")
CUSTOM = {
    **kserve(RELEASE, "s3://models/genre.bundle"),
    "scaled inferenceservice": kserve(SCALED, "s3://models/genre.bundle")["inferenceservice"],
    **monitoring.monitoring(RELEASE),
    "scaledobject": SCALERS["scaledobject"],
    **knative(RELEASE),
}


def tool(name: str) -> str:
    """A validator beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or pytest.skip(f"{name} is not installed")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, check=False)


def faults_of(obj: object, schema: str) -> list[str]:
    """What the schema of those who take it finds."""
    rules = json.loads(gzip.decompress((SCHEMAS / f"{schema}.json.gz").read_bytes()))
    faults = jsonschema.Draft202012Validator(rules).iter_errors(obj)
    return [f"{list(fault.absolute_path)}: {fault.message[:200]}" for fault in faults]


@pytest.mark.parametrize("release", ["1.30", "1.37"])
def test_kubernetes_takes_every_manifest(tmp_path: Path, release: str) -> None:
    for kind, obj in PLAIN.items():
        (tmp_path / f"{kind}.yaml").write_text(to_yaml(obj), encoding="utf-8")
    files = sorted(tmp_path.glob("*.yaml"))
    done = run(tool("kubernetes-validate"), "-k", release, "--strict", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(files)


def test_the_validator_would_see_a_misspelling(tmp_path: Path) -> None:
    wrong = manifests(RELEASE)["deployment"]
    wrong["spec"]["template"]["spec"]["containers"][0]["startupProb"] = {}
    (tmp_path / "wrong.yaml").write_text(to_yaml(wrong), encoding="utf-8")
    assert run(tool("kubernetes-validate"), "-k", "1.37", "--strict", tmp_path / "wrong.yaml").returncode != 0


@pytest.mark.parametrize("kind", CUSTOM)
def test_the_schemas_of_custom_resources_take_every_object(kind: str) -> None:
    obj = CUSTOM[kind]
    group, _, version = obj["apiVersion"].partition("/")
    named = "knative" if group.startswith("serving.knative") else obj["kind"].lower()
    assert faults_of(obj, f"{named}-{version}") == []


def test_a_replica_fits_the_restricted_profile_of_pod_security() -> None:
    """Pod Security Standards, level restricted, rule by rule."""
    pod = PLAIN["deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] != 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {key for volume in pod["volumes"] for key in volume} <= {"name", "emptyDir", "configMap", "secret"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_no_replica_leaves_before_another_is_ready_and_none_is_killed_while_it_drains() -> None:
    spec = PLAIN["deployment"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert (
        container["lifecycle"]["preStop"]["sleep"]["seconds"]
        < spec["template"]["spec"]["terminationGracePeriodSeconds"]
    )
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


# -- metrics -----------------------------------------------------------------------------------------------------------


def named_metrics() -> set[str]:
    """Every metric that a rule or an autoscaler asks for."""
    text = json.dumps([monitoring.alert_rules(RELEASE), *SCALERS.values()])
    return set(re.findall(r"modelport_[a-z_]+", text))


def test_every_metric_that_is_named_is_in_a_live_scrape(served_url: str) -> None:
    scraped = httpx.get(f"{served_url}/metrics").text
    told = {line.split("{")[0].split(" ")[0] for line in scraped.splitlines() if not line.startswith("#")}
    described = {line.split(" ")[2] for line in scraped.splitlines() if line.startswith("# TYPE")}
    assert len(named_metrics()) >= 6
    assert sorted(m for m in named_metrics() if m not in told and m.removesuffix("_total") not in described) == []


def test_prometheus_takes_the_alert_rules(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.rules"
    rules.write_text(to_yaml(monitoring.alert_rules(RELEASE)), encoding="utf-8")
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed")
    done = run(promtool, "check", "rules", rules)
    assert done.returncode == 0, done.stderr
    assert "7 rules found" in done.stdout


# -- images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuda", [False, True], ids=["cpu", "cuda"])
@pytest.mark.parametrize("kind", ["bundle", "service"])
def test_hadolint_finds_nothing(kind: str, cuda: bool, bundle: Path, app: Path, tmp_path: Path) -> None:
    subject = read_subject(str(bundle if kind == "bundle" else app))
    (tmp_path / "Dockerfile").write_text(
        dockerfile(subject, ImageOptions("genre:1", cuda=cuda), "0.1.0"), encoding="utf-8"
    )
    done = run(tool("hadolint"), tmp_path / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def objects() -> Iterator[dict[str, Any]]:
    yield from PLAIN.values()
    yield from CUSTOM.values()


def test_every_object_says_what_it_belongs_to() -> None:
    for obj in objects():
        assert obj["metadata"]["labels"]["app.kubernetes.io/name"] == "genre"

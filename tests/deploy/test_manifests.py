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
INLINE = replace(SCALED, resources=replace(NEEDED, inline=True, waiting_rows=(("", 3),)), gpus=1)
TWO = replace(SCALED, resources=replace(NEEDED, waiting_rows=(("slow", 2), ("fast", 64))))
CUSTOM = {
    **kserve(RELEASE, "s3://models/genre.bundle"),
    "scaled inferenceservice": kserve(SCALED, "s3://models/genre.bundle")["inferenceservice"],
    **monitoring.monitoring(RELEASE),
    "inline inferenceservice": kserve(INLINE, "s3://models/genre.bundle")["inferenceservice"],
    "scaledobject": SCALERS["scaledobject"],
    "inline scaledobject": monitoring.keda_scaler(INLINE),
    "scaledobject of two": monitoring.keda_scaler(TWO),
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
    inline = manifests(INLINE) | {"horizontalpodautoscaler": monitoring.horizontal_autoscaler(INLINE)}
    inline["two"] = monitoring.horizontal_autoscaler(TWO)
    for kind, obj in (PLAIN | {f"inline-{kind}": obj for kind, obj in inline.items()}).items():
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


def test_a_roll_out_has_the_time_that_a_new_node_and_a_large_image_take() -> None:
    assert PLAIN["deployment"]["spec"]["progressDeadlineSeconds"] >= 600  # what Kubernetes itself gives it


def test_replicas_that_are_not_ready_hold_no_node_back() -> None:
    assert PLAIN["poddisruptionbudget"]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_replica_asks_for_its_gpus_and_is_let_onto_their_nodes() -> None:
    pod = manifests(INLINE)["deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "nvidia" not in json.dumps(manifests(RELEASE))


# -- more replicas -----------------------------------------------------------------------------------------------------


def test_models_without_a_queue_are_scaled_by_the_processor_too() -> None:
    """Their rows never wait where they could be counted: the gauge stays at nought under any load."""
    metrics = monitoring.horizontal_autoscaler(INLINE)["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Pods", "Resource"]
    assert [trigger["type"] for trigger in monitoring.keda_scaler(INLINE)["spec"]["triggers"]] == ["prometheus", "cpu"]
    predictor = kserve(INLINE, "s3://m/b")["inferenceservice"]["spec"]["predictor"]
    assert [metric["type"] for metric in predictor["autoScaling"]["metrics"]] == ["External", "Resource"]
    assert [metric["type"] for metric in SCALERS["horizontalpodautoscaler"]["spec"]["metrics"]] == ["Pods"]


def test_how_many_rows_may_wait_is_what_was_measured_everywhere() -> None:
    (waiting, _) = monitoring.horizontal_autoscaler(INLINE)["spec"]["metrics"]
    assert waiting["pods"]["target"]["averageValue"] == "3"
    assert monitoring.keda_scaler(INLINE)["spec"]["triggers"][0]["metadata"]["threshold"] == "3"
    predictor = kserve(INLINE, "s3://m/b")["inferenceservice"]["spec"]["predictor"]
    assert predictor["autoScaling"]["metrics"][0]["external"]["target"]["value"] == "3"


def test_each_model_with_a_queue_of_its_own_is_asked_on_its_own() -> None:
    queries = [trigger["metadata"] for trigger in monitoring.keda_scaler(TWO)["spec"]["triggers"]]
    assert [(q["query"], q["threshold"]) for q in queries] == [
        ('sum(modelport_waiting_rows{job="genre",model="slow"})', "2"),
        ('sum(modelport_waiting_rows{job="genre",model="fast"})', "64"),
    ]
    slow, fast = monitoring.horizontal_autoscaler(TWO)["spec"]["metrics"]
    assert slow["pods"]["metric"]["selector"] == {"matchLabels": {"model": "slow"}}
    assert fast["pods"]["target"]["averageValue"] == "64"
    predictor = kserve(TWO, "s3://m/b")["inferenceservice"]["spec"]["predictor"]
    assert 'pod=~"genre-predictor-.*",model="slow"' in json.dumps(predictor).replace('\\"', '"')


def test_replicas_leave_slowly_whoever_counts_them_and_never_more_slowly_than_kubernetes_takes() -> None:
    slow = replace(RELEASE, resources=replace(NEEDED, start_s=6000))
    for release, window_s in ((RELEASE, 300), (slow, 3600)):
        behavior = {"scaleDown": {"stabilizationWindowSeconds": window_s}}
        assert monitoring.horizontal_autoscaler(release)["spec"]["behavior"] == behavior
        scaled = monitoring.keda_scaler(release)["spec"]
        assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == behavior


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
    assert "8 rules found" in done.stdout


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

"""The chart and the overlays, rendered by Helm and by kubectl, say what the plain manifests say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.harness import environment
from bench.harness.errors import BenchError
from modelport.deploy import monitoring
from modelport.deploy.files import write_files
from modelport.deploy.helm import chart
from modelport.deploy.kubernetes import Object, Release, manifests
from modelport.deploy.kustomize import kustomized
from tests.deploy.test_manifests import RELEASE, SCALERS

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "ab" * 32
WATCHED = monitoring.monitoring(RELEASE)
USUAL = [*manifests(RELEASE).values()]


def by_kind(objects: list[Object]) -> dict[str, Object]:
    found = {obj["kind"]: obj for obj in objects}
    assert len(found) == len(objects)
    return found


def kustomize(release: Release, objects: dict[str, Object], folder: Path) -> dict[str, Object]:
    """What `kubectl apply -k` would send."""
    kubectl = shutil.which("kubectl") or pytest.skip("kubectl is not installed")
    write_files(folder, kustomized(release, objects, monitoring.monitoring(release)), force=False)
    overlay = folder / "overlays" / "production"
    done = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return by_kind(list(yaml.safe_load_all(done.stdout)))


def test_the_overlay_built_by_kubectl_is_the_plain_manifests(tmp_path: Path) -> None:
    made = kustomize(RELEASE, manifests(RELEASE), tmp_path)
    assert made == by_kind([*USUAL, *WATCHED.values()])


@pytest.mark.parametrize("image", [f"registry.example:5000/team/genre@{DIGEST}", "localhost:5000/genre:1.2"])
def test_an_overlay_keeps_the_image_however_it_is_named(image: str, tmp_path: Path) -> None:
    release = replace(RELEASE, image=image)
    (container,) = kustomize(release, manifests(release), tmp_path)["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == image


def test_where_an_autoscaler_counts_the_replicas_no_manifest_sets_them_back(tmp_path: Path) -> None:
    release = replace(RELEASE, autoscaler="hpa")
    objects = manifests(release) | {"horizontalpodautoscaler": SCALERS["horizontalpodautoscaler"]}
    assert "replicas" not in objects["deployment"]["spec"]
    assert "replicas" not in kustomize(release, objects, tmp_path)["Deployment"]["spec"]


# -- Helm --------------------------------------------------------------------------------------------------------------

RENDER = """
import json, sys
from helm_python import Chart, lint
chart, values = Chart.load(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps({"lint": lint(sys.argv[1], values), "made": chart.render(values, name=sys.argv[3])}))
"""


@pytest.fixture(scope="module")
def helm() -> Path:
    """Helm's own code with Python in front of it, in an environment of its own: it is large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        try:
            environment.ensure_environment("helm", Path("tests/deploy/helm.txt"), Path("no-constraints"))
        except BenchError as error:
            pytest.skip(f"Helm cannot be installed: {str(error).splitlines()[-1]}")
    return ROOT / environment.python_of("helm")


def rendered(helm: Path, release: Release, folder: Path, values: Object, name: str = "genre") -> dict[str, Object]:
    """What Helm would send to the cluster, after it has found nothing to say against the chart."""
    write_files(folder, chart(release), force=False)
    command = [helm, "-c", RENDER, folder, json.dumps(values), name]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [message["error"] for message in found["lint"]["messages"]] == ["icon is recommended"]
    return by_kind([obj for text in found["made"].values() if (obj := yaml.safe_load(text)) is not None])


ALL_ON: Object = {"monitoring": {"enabled": True}}


@pytest.mark.slow
def test_the_chart_rendered_by_helm_with_its_own_values_is_the_plain_manifests(helm: Path, tmp_path: Path) -> None:
    release = replace(RELEASE, variables={"GREETING": "{{ .Values.secret }}"})
    assert rendered(helm, release, tmp_path, ALL_ON) == by_kind([*manifests(release).values(), *WATCHED.values()])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "scaler"), [("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")])
def test_a_chart_scales_as_it_is_told_and_then_counts_no_replicas(
    kind: str, scaler: str, helm: Path, tmp_path: Path
) -> None:
    made = rendered(helm, replace(RELEASE, autoscaler=kind), tmp_path, {})
    assert made[scaler] == SCALERS[scaler.lower()]
    assert "replicas" not in made["Deployment"]["spec"]


@pytest.mark.slow
def test_two_installations_of_one_chart_do_not_meet(helm: Path, tmp_path: Path) -> None:
    made = rendered(helm, RELEASE, tmp_path, ALL_ON, name="second")
    text = json.dumps([{**obj, "spec": {**obj.get("spec", {})}} for obj in made.values()])
    assert made["Deployment"]["metadata"]["name"] == "second"
    assert made["Service"]["spec"]["selector"] == made["Deployment"]["spec"]["selector"]["matchLabels"]
    assert re.findall(r'"(?:name|serviceAccountName|app.kubernetes.io/name)": "genre[^"]*"|job=\W+genre', text) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["http", "tmp"])
def test_a_model_that_is_called_as_a_part_of_the_manifests_makes_a_chart_that_still_fits_together(
    name: str, helm: Path, tmp_path: Path
) -> None:
    release = replace(RELEASE, name=name, variables={"GREETING": "«hello»"})
    plain = by_kind([*manifests(release).values(), *monitoring.monitoring(release).values()])
    made = rendered(helm, release, tmp_path, ALL_ON, name="second")
    assert json.dumps(made["Deployment"]["spec"]).count('"second"') == 5
    (port,) = made["Service"]["spec"]["ports"]
    assert port == plain["Service"]["spec"]["ports"][0]
    assert (
        made["Deployment"]["spec"]["template"]["spec"]["volumes"]
        == plain["Deployment"]["spec"]["template"]["spec"]["volumes"]
    )


@pytest.mark.slow
def test_what_clusters_want_of_pods_is_a_value(helm: Path, tmp_path: Path) -> None:
    wanted: Object = {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "models", "operator": "Exists"}],
        "envFrom": [{"secretRef": {"name": "database"}}],
        "podAnnotations": {"team": "music"},
        "monitoring": {"enabled": True, "labels": {"release": "prometheus"}, "memoryLimitBytes": 1000},
        "autoscaling": {"kind": "keda", "maxReplicas": 5, "prometheus": "http://prometheus.example"},
    }
    made = rendered(helm, RELEASE, tmp_path, wanted, name="123")
    template = made["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"team": "music"}
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert template["spec"]["nodeSelector"] == {"disk": "fast"}
    assert template["spec"]["tolerations"] == wanted["tolerations"]
    assert template["spec"]["containers"][0]["envFrom"] == wanted["envFrom"]
    assert made["Deployment"]["metadata"]["name"] == "123"
    assert made["ScaledObject"]["spec"]["triggers"][0]["metadata"]["serverAddress"] == "http://prometheus.example"
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert made[kind]["metadata"]["labels"]["release"] == "prometheus"
    assert "> 0.9 * 1000" in json.dumps(made["PrometheusRule"])


@pytest.mark.slow
def test_a_chart_keeps_an_image_that_is_named_by_its_digest(helm: Path, tmp_path: Path) -> None:
    release = replace(RELEASE, image=f"registry.example:5000/team/genre@{DIGEST}")
    (container,) = rendered(helm, release, tmp_path, {})["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == release.image


def test_values_say_what_differs_between_installations() -> None:
    values: dict[str, Any] = yaml.safe_load(chart(RELEASE)["values.yaml"])
    assert values["image"] == {"repository": "registry.example/genre", "tag": "a476ddec59e7"}
    assert values["autoscaling"]["kind"] == "none"

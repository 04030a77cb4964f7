"""KServe: a runtime that serves bundles from any storage that KServe can fetch, and one service that uses it."""

from __future__ import annotations

from modelport.deploy.image import PORT
from modelport.deploy.kubernetes import Object, Release, by_number, container, head
from modelport.deploy.monitoring import PROMETHEUS, busy_processor, waiting_query

FORMAT = "modelport"
MODELS = "/mnt/models"
KEPT = (
    "image",
    "imagePullPolicy",
    "env",
    "resources",
    "startupProbe",
    "readinessProbe",
    "livenessProbe",
    "lifecycle",
    "securityContext",
)
"""What of the plain container holds here, too."""


def kserve(release: Release, storage: str) -> dict[str, Object]:
    """Both objects by the names of their files."""
    return {
        "servingruntime": serving_runtime(release),
        "inferenceservice": inference_service(release, storage),
    }


def serving_runtime(release: Release) -> Object:
    """KServe puts the bundle under /mnt/models; the image brings the packages, and its own bundle is not used."""
    served = container(release)
    return {
        **head(release, "serving.kserve.io/v1alpha1", "ServingRuntime", "-runtime"),
        "spec": {
            "annotations": {"prometheus.kserve.io/port": str(PORT), "prometheus.kserve.io/path": "/metrics"},
            "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": True, "priority": 1}],
            "containers": [
                {
                    "name": "kserve-container",
                    "args": ["serve", MODELS, "--name", "{{.Name}}"],
                    "ports": [{"containerPort": PORT, "protocol": "TCP"}],
                    **{key: by_number(served[key]) for key in KEPT},
                }
            ],
        },
    }


def inference_service(release: Release, storage: str) -> Object:
    """One model, without Knative: a call is not queued twice. The number of replicas is fixed, or KEDA's to choose."""
    scaled = release.autoscaler == "keda"
    service = head(release, "serving.kserve.io/v1beta1", "InferenceService")
    service["metadata"]["annotations"] = {
        "serving.kserve.io/deploymentMode": "RawDeployment",  # newer versions say Standard, and know this name, too
        "serving.kserve.io/autoscalerClass": "keda" if scaled else "external",
    }
    predictor: Object = {
        "minReplicas": release.replicas,
        "maxReplicas": release.max_replicas if scaled else release.replicas,
        "terminationGracePeriodSeconds": release.resources.termination_s,
        "model": {
            "modelFormat": {"name": FORMAT, "version": "1"},
            "runtime": f"{release.name}-runtime",
            "storageUri": storage,
        },
    }
    if scaled:
        waiting = [_waiting(release, model, rows) for model, rows in release.resources.waiting_rows]
        predictor["autoScaling"] = {"metrics": [*waiting, *busy_processor(release)]}
    return {**service, "spec": {"predictor": predictor}}


def _waiting(release: Release, model: str, rows: int) -> Object:
    """As elsewhere: rows that wait, asked of Prometheus."""
    return {
        "type": "External",
        "external": {
            "metric": {
                "backend": "prometheus",
                "serverAddress": PROMETHEUS,
                "query": waiting_query(f'pod=~"{release.name}-predictor-.*"', model),
            },
            "target": {"type": "Value", "value": str(rows)},
        },
    }

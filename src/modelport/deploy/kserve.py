"""KServe: a runtime that serves bundles from any storage that KServe can fetch, and one service that uses it."""

from __future__ import annotations

from modelport.deploy.image import PORT
from modelport.deploy.kubernetes import Object, Release, container, head

FORMAT = "modelport"
MODELS = "/mnt/models"


def kserve(release: Release, storage: str) -> dict[str, Object]:
    """Both objects by the names of their files."""
    return {"servingruntime": serving_runtime(release), "inferenceservice": inference_service(release, storage)}


def serving_runtime(release: Release) -> Object:
    """KServe puts the bundle under /mnt/models; the image brings the packages, and its own bundle is not used."""
    served = container(release)
    kept = (
        "image",
        "imagePullPolicy",
        "env",
        "resources",
        "startupProbe",
        "readinessProbe",
        "livenessProbe",
        "lifecycle",
    )
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
                    "securityContext": served["securityContext"],
                    **{key: _by_number(served[key]) for key in kept},
                }
            ],
        },
    }


def _by_number(part: object) -> object:
    """KServe names no ports."""
    if isinstance(part, dict) and "httpGet" in part:
        return {**part, "httpGet": {**part["httpGet"], "port": PORT}}
    return part


def inference_service(release: Release, storage: str) -> Object:
    """One model, without Knative: replicas are an autoscaler's, not a queue proxy's."""
    return {
        **head(release, "serving.kserve.io/v1beta1", "InferenceService"),
        "spec": {
            "predictor": {
                "minReplicas": release.replicas,
                "maxReplicas": release.max_replicas,
                "terminationGracePeriodSeconds": release.resources.termination_s,
                "model": {
                    "modelFormat": {"name": FORMAT, "version": "1"},
                    "runtime": f"{release.name}-runtime",
                    "storageUri": storage,
                },
            }
        },
    }

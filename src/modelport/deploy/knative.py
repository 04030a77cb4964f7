"""Containers that scale to zero: one Service of Knative's, which Cloud Run reads, too."""

from __future__ import annotations

import math

from modelport.deploy.image import PORT
from modelport.deploy.kubernetes import GPU, Object, Release, by_number, container, head

AT_ONCE = 64
"""Calls that one instance is sent at once: they meet in a batch, and another instance would have to be started for them."""
KEPT = ("image", "env", "securityContext", "startupProbe", "readinessProbe", "livenessProbe")


def knative(release: Release) -> dict[str, Object]:
    """By the names of their files."""
    return {"knative": knative_service(release)}


def knative_service(release: Release) -> Object:
    """From none to as many instances as calls want. Its life cycle is Knative's: no hook before the end, no budget, no spread."""
    served, resources = container(release), release.resources
    limits = {key: value for key, value in served["resources"]["limits"].items() if key in ("cpu", "memory", GPU)}
    return {
        **head(release, "serving.knative.dev/v1", "Service"),
        "spec": {
            "template": {
                "metadata": {
                    "labels": dict(release.labels),
                    "annotations": {
                        # spelt as Cloud Run and every version of Knative have it
                        "autoscaling.knative.dev/minScale": "0",
                        "autoscaling.knative.dev/maxScale": str(release.max_replicas),
                    },
                },
                "spec": {
                    "containerConcurrency": AT_ONCE,
                    "timeoutSeconds": math.ceil(resources.stop_s),
                    "containers": [
                        {
                            "name": "modelport",
                            "ports": [{"name": "http1", "containerPort": PORT}],
                            "resources": {"requests": limits, "limits": limits},
                            **{key: by_number(served[key]) for key in KEPT},
                        }
                    ],
                },
            }
        },
    }

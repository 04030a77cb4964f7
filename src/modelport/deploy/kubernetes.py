"""Kubernetes objects of one service, as plain dictionaries: what runs, how it is reached, what may not happen to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelport.deploy.image import PORT
from modelport.deploy.resources import Resources

Object = dict[str, Any]
REPLICAS = 3
UID = 10001
PULL_S = 600
"""A node may have to be added first, and an image of gigabytes pulled."""
GPU = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class Release:
    """What is deployed, and how many of it."""

    name: str
    version: str
    image: str
    resources: Resources
    replicas: int = REPLICAS
    max_replicas: int = REPLICAS * 4
    autoscaler: str = "none"
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its user says of it, in the environment."""
    gpus: int = 0
    """Of NVIDIA's, for each replica."""

    @property
    def environment(self) -> dict[str, str]:
        """What its containers are told: what was measured holds for these options, and what the user says is said last."""
        return {**self.resources.environment, **self.variables}

    @property
    def labels(self) -> dict[str, str]:
        """On everything."""
        return {**self.selector, "app.kubernetes.io/version": self.version, "app.kubernetes.io/managed-by": "modelport"}

    @property
    def selector(self) -> dict[str, str]:
        """What never changes from version to version: a Deployment's selector may not."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/component": "model-server"}


def manifests(release: Release) -> dict[str, Object]:
    """Every object by the name of its file."""
    return {
        "serviceaccount": service_account(release),
        "deployment": deployment(release),
        "service": service(release),
        "poddisruptionbudget": disruption_budget(release),
        "networkpolicy": network_policy(release),
    }


def head(release: Release, api: str, kind: str, suffix: str = "") -> Object:
    """The lines that every object begins with."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": release.name + suffix, "labels": dict(release.labels)},
    }


def service_account(release: Release) -> Object:
    """One of its own, with no rights and no token: the service never speaks to the cluster."""
    return {**head(release, "v1", "ServiceAccount"), "automountServiceAccountToken": False}


def deployment(release: Release) -> Object:
    """Replaced without a gap: a new replica is ready before an old one is asked to end.

    Where an autoscaler counts the replicas, nothing is said of them here: applying it again would set them back.
    """
    counted = {"replicas": release.replicas} if release.autoscaler == "none" else {}
    return {
        **head(release, "apps/v1", "Deployment"),
        "spec": {
            **counted,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": PULL_S + release.resources.start_s * 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": dict(release.selector)},
            "template": {"metadata": {"labels": dict(release.labels)}, "spec": pod(release)},
        },
    }


def pod(release: Release) -> Object:
    """One replica, within the restricted profile of the Pod Security Standards."""
    return {
        "serviceAccountName": release.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": release.resources.termination_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread(release, key) for key in SPREAD_OVER],
        **_tolerated(release),
        "containers": [container(release)],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
    }


def _tolerated(release: Release) -> Object:
    """Nodes with such hardware are often kept free of all who do not ask for it."""
    return {"tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]} if release.gpus else {}


SPREAD_OVER = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def spread(release: Release, key: str) -> Object:
    """Not all on one machine or in one zone; rather uneven than not at all."""
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(release.selector)},
        "matchLabelKeys": ["pod-template-hash"],  # the replicas that a roll-out replaces do not count
    }


def container(release: Release) -> Object:
    """The service. Requests are limits: a replica that is throttled or evicted helps nobody."""
    resources = release.resources
    given = {"cpu": resources.cpu, "memory": resources.memory} | ({GPU: str(release.gpus)} if release.gpus else {})
    return {
        "name": "modelport",
        "image": release.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value.replace("$(", "$$(")} for name, value in release.environment.items()],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {**given, "ephemeral-storage": "64Mi"},
            "limits": {**given, "ephemeral-storage": "256Mi"},
        },
        "startupProbe": {**probe("/livez"), "periodSeconds": 1, "failureThreshold": resources.start_s},
        "readinessProbe": {**probe("/readyz"), "periodSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**probe("/livez"), "periodSeconds": 10, "failureThreshold": 3},
        "lifecycle": {"preStop": {"sleep": {"seconds": resources.pre_stop_s}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": UID,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def probe(path: str) -> Object:
    """Probes are answered by the workers whatever the model does, so a short patience is enough."""
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 3}


def service(release: Release) -> Object:
    """One address for all replicas."""
    return {
        **head(release, "v1", "Service"),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(release.selector),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(release: Release) -> Object:
    """Nodes are drained one replica at a time. One that is not ready serves nobody, and holds no node back."""
    return {
        **head(release, "policy/v1", "PodDisruptionBudget"),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": dict(release.selector)},
        },
    }


def network_policy(release: Release) -> Object:
    """In: its port, from anywhere in the cluster. Out: nothing; a model that must reach something else needs a rule of yours."""
    return {
        **head(release, "networking.k8s.io/v1", "NetworkPolicy"),
        "spec": {
            "podSelector": {"matchLabels": dict(release.selector)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": "http", "protocol": "TCP"}]}],
            "egress": [],
        },
    }


def by_number(part: Any) -> Any:
    """A probe for those who name no ports; anything else as it is."""
    if isinstance(part, dict) and "httpGet" in part:
        return {**part, "httpGet": {**part["httpGet"], "port": PORT}}
    return part

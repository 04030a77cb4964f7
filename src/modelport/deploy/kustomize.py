"""A base and an overlay for Kustomize, which `kubectl apply -k` has built in."""

from __future__ import annotations

from modelport.deploy.kubernetes import Object, Release
from modelport.deploy.reference import read_reference
from modelport.deploy.text import to_yaml

API = "kustomize.config.k8s.io/v1beta1"


def kustomized(release: Release, objects: dict[str, Object], watched: dict[str, Object]) -> dict[str, str]:
    """Texts by their paths: a base, a component for the Prometheus operator, an overlay that has both."""
    files = {f"base/{kind}.yaml": to_yaml(obj) for kind, obj in objects.items()}
    files |= {f"monitoring/{kind}.yaml": to_yaml(obj) for kind, obj in watched.items()}
    base: Object = {"apiVersion": API, "kind": "Kustomization", "resources": [f"{kind}.yaml" for kind in objects]}
    component: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": [f"{kind}.yaml" for kind in watched],
    }
    overlay: Object = {
        "apiVersion": API,
        "kind": "Kustomization",
        "resources": ["../../base"],
        "components": ["../../monitoring"],
        "images": [_image(release)],
    }
    if release.autoscaler == "none":
        overlay["replicas"] = [{"name": release.name, "count": release.replicas}]
    return files | {
        "base/kustomization.yaml": to_yaml(base),
        "monitoring/kustomization.yaml": to_yaml(component),
        "overlays/production/kustomization.yaml": to_yaml(overlay),
    }


def _image(release: Release) -> Object:
    """What is to be changed for another version: this one line."""
    image = read_reference(release.image, release.version)
    return {"name": image.repository, **({"digest": image.digest} if image.digest else {"newTag": image.tag})}

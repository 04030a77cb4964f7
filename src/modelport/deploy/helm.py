"""A Helm chart of the same objects: what differs between installations is a value."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

from modelport.deploy.kubernetes import Object, Release, container, manifests
from modelport.deploy.monitoring import horizontal_autoscaler, keda_scaler, monitoring
from modelport.deploy.reference import read_reference
from modelport.deploy.text import to_yaml

IF = {
    "servicemonitor": "monitoring.enabled",
    "prometheusrule": "monitoring.enabled",
    "networkpolicy": "networkPolicy.enabled",
    "poddisruptionbudget": "disruptionBudget.enabled",
    "horizontalpodautoscaler": 'eq .Values.autoscaling.kind "hpa"',
    "scaledobject": 'eq .Values.autoscaling.kind "keda"',
}
"""Which value switches an object on."""
NAME = "{{ .Release.Name }}"
COUNTED = r"""{{- if eq .Values.autoscaling.kind "none" }}
\g<0>
{{- end }}"""
"""The number of replicas is an autoscaler's where there is one: an upgrade must not set it back."""


def chart(release: Release) -> dict[str, str]:
    """Files of the chart, by their paths in it."""
    objects = {
        **manifests(replace(release, autoscaler="none")),
        **monitoring(release),
        "horizontalpodautoscaler": horizontal_autoscaler(release),
        "scaledobject": keda_scaler(release),
    }
    templates = {f"templates/{kind}.yaml": _template(kind, obj, release) for kind, obj in objects.items()}
    return {"Chart.yaml": to_yaml(_chart(release)), "values.yaml": to_yaml(_values(release)), **templates}


def _chart(release: Release) -> Object:
    return {
        "apiVersion": "v2",
        "name": release.name,
        "description": f"{release.name}, served by Modelport",
        "type": "application",
        "version": "0.1.0",
        "appVersion": release.version,
    }


def _values(release: Release) -> Object:
    return {
        "image": _image(release)[0],
        "replicas": release.replicas,
        "resources": container(release)["resources"],
        "workers": release.resources.workers,
        "terminationGracePeriodSeconds": release.resources.termination_s,
        "autoscaling": {"kind": release.autoscaler, "maxReplicas": release.max_replicas},
        "monitoring": {"enabled": False},
        "networkPolicy": {"enabled": True},
        "disruptionBudget": {"enabled": True},
    }


def _template(kind: str, obj: Object, release: Release) -> str:
    obj = _with_values(kind, copy.deepcopy(obj), release)
    text = _named(_escaped(to_yaml(obj)), release)
    text = re.sub(r"«(.+?)»", r"{{ \1 }}", text)
    text = re.sub(r"^  replicas: .*$", COUNTED, text, flags=re.MULTILINE)
    if condition := IF.get(kind):
        guard = condition if condition.startswith("eq ") else f".Values.{condition}"
        return f"{{{{- if {guard} }}}}\n{text}{{{{- end }}}}\n"
    return text


def _escaped(text: str) -> str:
    """Braces that are Prometheus's are none of Helm's."""
    return re.sub(r"(\{\{.*?\}\})", r"{{ `\1` }}", text)


def _named(text: str, release: Release) -> str:
    """An installation is called as its user says."""
    text = re.sub(rf'(job="){re.escape(release.name)}(")', rf"\1{NAME}\2", text)
    return re.sub(
        rf"^(\s*-?\s*(?:name|serviceAccountName|app\.kubernetes\.io/name): ){re.escape(release.name)}((?:\.modelport)?)$",
        rf"\1'{NAME}\2'",
        text,
        flags=re.MULTILINE,
    )


def _with_values(kind: str, obj: Object, release: Release) -> Object:
    spec = obj.get("spec", {})
    if kind == "deployment":
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        spec["replicas"] = "«.Values.replicas»"
        pod["terminationGracePeriodSeconds"] = "«.Values.terminationGracePeriodSeconds»"
        container["image"] = _image(release)[1]
        container["env"][0]["value"] = "«.Values.workers | quote»"
        container["resources"] = "«toJson .Values.resources»"
    elif kind == "horizontalpodautoscaler":
        spec |= {"minReplicas": "«.Values.replicas»", "maxReplicas": "«.Values.autoscaling.maxReplicas»"}
    elif kind == "scaledobject":
        spec |= {"minReplicaCount": "«.Values.replicas»", "maxReplicaCount": "«.Values.autoscaling.maxReplicas»"}
    return obj


def _image(release: Release) -> tuple[Object, str]:
    """The values that name it, and how a template puts them together."""
    image = read_reference(release.image, release.version)
    if image.digest:
        return {
            "repository": image.repository,
            "digest": image.digest,
        }, "«.Values.image.repository»@«.Values.image.digest»"
    return {"repository": image.repository, "tag": image.tag}, "«.Values.image.repository»:«.Values.image.tag»"

"""A Helm chart of the same objects: what differs between installations is a value."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

from modelport.deploy.kubernetes import Object, Release, container, manifests
from modelport.deploy.monitoring import PROMETHEUS, horizontal_autoscaler, keda_scaler, monitoring
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
KUBERNETES = ">=1.30.0-0"
"""The first version that sleeps before the end of a container by itself."""
OPEN, CLOSE = "\ue000", "\ue001"
"""Around what is Helm's, until the text is written: characters that nobody uses, and that YAML leaves as they are."""
NAME = f"{OPEN}.Release.Name{CLOSE}"
COUNTED = r"""{{- if eq .Values.autoscaling.kind "none" }}
\g<0>
{{- end }}"""
"""The number of replicas is an autoscaler's where there is one: an upgrade must not set it back."""
OF_THE_POD = ("imagePullSecrets", "nodeSelector", "tolerations", "affinity")
"""What clusters want of pods, each in another way."""
GIVEN = r"""{{- with \3 }}
\1\2: {{ toJson . }}
{{- end }}"""
MORE = r"""{{- range $key, $value := \2 }}
\1{{ $key }}: {{ quote $value }}
{{- end }}"""


def chart(release: Release) -> dict[str, str]:
    """Files of the chart, by their paths in it."""
    installed = replace(release, name=NAME, autoscaler="none")  # it is called as its user says
    objects = {
        **manifests(installed),
        **monitoring(installed),
        "horizontalpodautoscaler": horizontal_autoscaler(installed),
        "scaledobject": keda_scaler(installed),
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
        "kubeVersion": KUBERNETES,
    }


def _values(release: Release) -> Object:
    tolerated = manifests(release)["deployment"]["spec"]["template"]["spec"].get("tolerations", [])
    return {
        "image": _image(release)[0],
        "imagePullSecrets": [],
        "replicas": release.replicas,
        "resources": container(release)["resources"],
        "workers": release.resources.workers,
        "envFrom": [],
        "terminationGracePeriodSeconds": release.resources.termination_s,
        "podAnnotations": {},
        "nodeSelector": {},
        "tolerations": tolerated,
        "affinity": {},
        "autoscaling": {"kind": release.autoscaler, "maxReplicas": release.max_replicas, "prometheus": PROMETHEUS},
        "monitoring": {"enabled": False, "labels": {}, "memoryLimitBytes": _memory_bytes(release)},
        "networkPolicy": {"enabled": True},
        "disruptionBudget": {"enabled": True},
    }


def _memory_bytes(release: Release) -> int:
    return release.resources.memory_mib * 2**20


def _template(kind: str, obj: Object, release: Release) -> str:
    text = _escaped(to_yaml(_with_values(kind, copy.deepcopy(obj), release)))
    text = text.replace(
        f"0.9 * {_memory_bytes(release)}", f"0.9 * {OPEN}int64 .Values.monitoring.memoryLimitBytes{CLOSE}"
    )
    text = re.sub(rf"^( *)(\w+): {OPEN}\?(.+?){CLOSE}$", GIVEN, text, flags=re.MULTILINE)
    text = re.sub(rf"^( *){OPEN}\*(.+?){CLOSE}: .*$", MORE, text, flags=re.MULTILINE)
    text = re.sub(rf": ({re.escape(NAME)}\S*)$", r": '\1'", text, flags=re.MULTILINE)  # a name of digits is a text, too
    text = re.sub(rf"{OPEN}(.+?){CLOSE}", r"{{ \1 }}", text)
    text = re.sub(r"^  replicas: .*$", COUNTED, text, flags=re.MULTILINE)
    if condition := IF.get(kind):
        guard = condition if condition.startswith("eq ") else f".Values.{condition}"
        return f"{{{{- if {guard} }}}}\n{text}{{{{- end }}}}\n"
    return text


def _escaped(text: str) -> str:
    """Braces that are Prometheus's are none of Helm's."""
    return re.sub(r"(\{\{.*?\}\})", r"{{ `\1` }}", text)


def _value(path: str) -> str:
    return f"{OPEN}.Values.{path}{CLOSE}"


def _given(path: str) -> str:
    """Left out, with its key, where the value is empty."""
    return f"{OPEN}?.Values.{path}{CLOSE}"


def _with_values(kind: str, obj: Object, release: Release) -> Object:
    spec = obj.get("spec", {})
    if kind == "deployment":
        _of_the_deployment(spec, release)
    elif kind == "horizontalpodautoscaler":
        spec |= {"minReplicas": _value("replicas"), "maxReplicas": _value("autoscaling.maxReplicas")}
    elif kind == "scaledobject":
        spec |= {"minReplicaCount": _value("replicas"), "maxReplicaCount": _value("autoscaling.maxReplicas")}
        for trigger in spec["triggers"]:
            if "serverAddress" in trigger["metadata"]:
                trigger["metadata"]["serverAddress"] = _value("autoscaling.prometheus")
    elif kind in ("servicemonitor", "prometheusrule"):
        obj["metadata"]["labels"][f"{OPEN}*.Values.monitoring.labels{CLOSE}"] = ""
    return obj


def _of_the_deployment(spec: Object, release: Release) -> None:
    template = spec["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    spec["replicas"] = _value("replicas")
    template["metadata"]["annotations"] = _given("podAnnotations")
    pod["terminationGracePeriodSeconds"] = _value("terminationGracePeriodSeconds")
    pod |= {key: _given(key) for key in OF_THE_POD}
    container["image"] = _image(release)[1]
    container["env"][0]["value"] = f"{OPEN}.Values.workers | quote{CLOSE}"
    container["envFrom"] = _given("envFrom")
    container["resources"] = f"{OPEN}toJson .Values.resources{CLOSE}"


def _image(release: Release) -> tuple[Object, str]:
    """The values that name it, and how a template puts them together."""
    image, repository = read_reference(release.image, release.version), _value("image.repository")
    if image.digest:
        return {"repository": image.repository, "digest": image.digest}, f"{repository}@{_value('image.digest')}"
    return {"repository": image.repository, "tag": image.tag}, f"{repository}:{_value('image.tag')}"

"""What watches the service and gives it more replicas. Every metric named here is one that the service really tells."""

from __future__ import annotations

from typing import Any

from modelport.deploy.kubernetes import Object, Release, head
from modelport.deploy.resources import Resources

BUSY_PERCENT = 80
"""Of the processor, before another replica is wanted for models that run where calls are read."""
COOL_DOWN_S = 300
LONGEST_WINDOW_S = 3600
"""More is refused by Kubernetes."""
EACH = "(pod, instance)"
"""One replica: a Prometheus outside of Kubernetes knows no pods."""
WHICH = "{{ $labels.pod }} ({{ $labels.instance }})"
Rule = tuple[str, str, str, str, str]
"""Name, expression, for how long, how bad, and what it means."""
PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"
"""Where the Prometheus operator puts it, in the namespace that its charts take; another address is to be edited."""


def monitoring(release: Release) -> dict[str, Object]:
    """For the Prometheus operator."""
    return {"servicemonitor": service_monitor(release), "prometheusrule": prometheus_rule(release)}


def service_monitor(release: Release) -> Object:
    """Each replica tells the figures of all its processes, so one scrape of each is all there is."""
    return {
        **head(release, "monitoring.coreos.com/v1", "ServiceMonitor"),
        "spec": {
            "selector": {"matchLabels": dict(release.selector)},
            "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s", "scrapeTimeout": "5s"}],
        },
    }


def prometheus_rule(release: Release) -> Object:
    """The alert rules as the operator takes them."""
    return {**head(release, "monitoring.coreos.com/v1", "PrometheusRule"), "spec": alert_rules(release)}


def alert_rules(release: Release) -> Object:
    """The same as a file of rules for a Prometheus of one's own."""
    return {"groups": [{"name": f"{release.name}.modelport", "rules": [_alert(*rule) for rule in _rules(release)]}]}


def _rules(release: Release) -> list[Rule]:
    by = f'job="{release.name}"'
    return [*_of_calls(by, release.resources), *_of_replicas(by, release.resources)]


def _of_calls(by: str, resources: Resources) -> list[Rule]:
    bad = f'modelport_requests_total{{{by},outcome=~"failed|lost|expired"}}'
    every = f"modelport_requests_total{{{by}}}"
    p99 = f"histogram_quantile(0.99, sum by (model, le) (rate(modelport_request_seconds_bucket{{{by}}}[5m])))"
    return [
        (
            "ModelportErrors",
            f"sum by (model) (rate({bad}[5m])) / sum by (model) (rate({every}[5m])) > 0.01",
            "5m",
            "critical",
            "more than 1 % of the calls to {{ $labels.model }} fail, are lost or come too late",
        ),
        (
            "ModelportSheds",
            f"sum by (model, reason) (rate(modelport_shed_total{{{by}}}[5m])) > 0",
            "5m",
            "warning",
            "{{ $labels.model }} has refused calls for five minutes ({{ $labels.reason }}): more replicas, or a faster model",
        ),
        (
            "ModelportSlow",
            f"{p99} > {resources.slow_s:g}",
            "10m",
            "warning",
            f"one call in a hundred to {{{{ $labels.model }}}} takes longer than {resources.slow_s:g} s",
        ),
    ]


def _of_replicas(by: str, resources: Resources) -> list[Rule]:
    limit = resources.memory_mib * 2**20
    return [
        (
            "ModelportRestarts",
            f"sum by (process) (increase(modelport_restarts_total{{{by}}}[15m])) > 2",
            "0m",
            "critical",
            "{{ $value }} processes ({{ $labels.process }}) died within a quarter of an hour; the log says of what",
        ),
        (
            "ModelportNotReady",
            f"sum by {EACH} (modelport_models_ready{{{by}}}) < sum by {EACH} (modelport_models{{{by}}})",
            "5m",
            "critical",
            f"not every model of {WHICH} is ready",
        ),
        (
            "ModelportUnscraped",
            f"sum by {EACH} (up{{{by}}}) == 0",
            "5m",
            "warning",
            f"{WHICH} tells no figures: it does not run, or cannot be reached",
        ),
        (
            "ModelportGone",
            f"absent(modelport_info{{{by}}})",
            "5m",
            "critical",
            "no replica of {{ $labels.job }} tells its figures: none runs, or none is scraped",
        ),
        (
            "ModelportMemory",
            f"sum by {EACH} (modelport_process_memory_bytes{{{by}}}) > 0.9 * {limit}",
            "5m",
            "warning",
            f"{WHICH} takes nine tenths of its memory",
        ),
    ]


def _alert(name: str, expression: str, duration: str, severity: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": duration,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


# -- more replicas, or fewer -------------------------------------------------------------------------------------------


def horizontal_autoscaler(release: Release) -> Object:
    """By what waits, through the custom metrics API (of prometheus-adapter, say); without a queue by the processor, too."""
    return {
        **head(release, "autoscaling/v2", "HorizontalPodAutoscaler"),
        "spec": {
            "scaleTargetRef": _target(release),
            "minReplicas": release.replicas,
            "maxReplicas": release.max_replicas,
            "metrics": [*map(_waiting, release.resources.waiting_rows), *busy_processor(release)],
            "behavior": _behavior(release),
        },
    }


def _waiting(of: tuple[str, int]) -> Object:
    model, rows = of
    only = {"selector": {"matchLabels": {"model": model}}} if model else {}
    target = {"type": "AverageValue", "averageValue": str(rows)}
    return {"type": "Pods", "pods": {"metric": {"name": "modelport_waiting_rows", **only}, "target": target}}


def waiting_query(by: str, model: str) -> str:
    """The rows that wait or run in all replicas."""
    return f"sum(modelport_waiting_rows{{{by}" + (f',model="{model}"' if model else "") + "})"


def busy_processor(release: Release) -> list[Object]:
    """A model that runs where calls are read has no queue that could be counted: it waits in the kernel, for the processor."""
    if not release.resources.inline:
        return []
    target = {"type": "Utilization", "averageUtilization": BUSY_PERCENT}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def keda_scaler(release: Release) -> Object:
    """The same by KEDA, which asks Prometheus itself."""
    job = f'job="{release.name}"'
    waiting = [
        {
            "type": "prometheus",
            "metadata": {"serverAddress": PROMETHEUS, "query": waiting_query(job, model), "threshold": str(rows)},
        }
        for model, rows in release.resources.waiting_rows
    ]
    busy = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(BUSY_PERCENT)}}
    return {
        **head(release, "keda.sh/v1alpha1", "ScaledObject"),
        "spec": {
            "scaleTargetRef": _target(release),
            "minReplicaCount": release.replicas,
            "maxReplicaCount": release.max_replicas,
            # its own cool-down is for the step to none, which is not taken
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(release)}},
            "triggers": [*waiting, busy] if release.resources.inline else waiting,
        },
    }


def _target(release: Release) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.name}


def _behavior(release: Release) -> Object:
    """Fewer only after longer than a start: what was taken away would have to be started again."""
    window_s = min(LONGEST_WINDOW_S, max(COOL_DOWN_S, release.resources.start_s * 2))
    return {"scaleDown": {"stabilizationWindowSeconds": window_s}}

"""What the alert rules fire on when time passes, and that they keep quiet where all is well."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelport.deploy import monitoring
from modelport.deploy.text import to_yaml
from tests.deploy.test_manifests import RELEASE

OF = 'job="genre",pod="genre-1",instance="10.0.0.1:8000"'
QUIET = {
    f'modelport_requests_total{{{OF},model="genre",outcome="ok"}}': "0+600x40",
    f'modelport_requests_total{{{OF},model="genre",outcome="failed"}}': "0+1x40",
    f'modelport_requests_total{{{OF},model="genre",outcome="invalid"}}': "0+500x40",
    f'modelport_shed_total{{{OF},model="genre",reason="queue_full"}}': "0x40",
    f'modelport_request_seconds_bucket{{{OF},model="genre",le="1.0"}}': "0+600x40",
    f'modelport_request_seconds_bucket{{{OF},model="genre",le="+Inf"}}': "0+600x40",
    f'modelport_restarts_total{{{OF},process="worker"}}': "0x20 1x20",
    f"up{{{OF}}}": "1x40",
    f"modelport_models{{{OF}}}": "2x40",
    f"modelport_models_ready{{{OF}}}": "2x40",
    f'modelport_info{{{OF},version="0.1.0"}}': "1x40",
    f'modelport_process_memory_bytes{{{OF},process="worker",pid="7"}}': "120000000x40",
}
LOUD = QUIET | {
    f'modelport_requests_total{{{OF},model="genre",outcome="failed"}}': "0+20x40",
    f'modelport_shed_total{{{OF},model="genre",reason="queue_full"}}': "0+1x40",
    f'modelport_request_seconds_bucket{{{OF},model="genre",le="1.0"}}': "0+500x40",
    f'modelport_request_seconds_bucket{{{OF},model="genre",le="2.5"}}': "0+600x40",
    f'modelport_restarts_total{{{OF},process="worker"}}': "0+1x40",
    f"modelport_models_ready{{{OF}}}": "1x40",
    'up{job="genre",pod="genre-2",instance="10.0.0.2:8000"}': "0x40",
    f'modelport_process_memory_bytes{{{OF},process="worker",pid="7"}}': "260000000x40",
}
FIRED = {
    "ModelportErrors": {"model": "genre"},
    "ModelportSheds": {"model": "genre", "reason": "queue_full"},
    "ModelportSlow": {"model": "genre"},
    "ModelportRestarts": {"process": "worker"},
    "ModelportNotReady": {"pod": "genre-1", "instance": "10.0.0.1:8000"},
    "ModelportUnscraped": {"pod": "genre-2", "instance": "10.0.0.2:8000"},
    "ModelportMemory": {"pod": "genre-1", "instance": "10.0.0.1:8000"},
}
"""Each alert, with the labels by which it says whom it is about."""
RULES = {rule["alert"]: rule for rule in monitoring.alert_rules(RELEASE)["groups"][0]["rules"]}


def after_half_an_hour(folder: Path, series: dict[str, str], fired: dict[str, dict[str, str]]) -> str:
    """What promtool says against these alerts, and no others, being raised then; empty where it agrees."""
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed")
    (folder / "alerts.rules").write_text(to_yaml(monitoring.alert_rules(RELEASE)), encoding="utf-8")
    case: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "30m", "alertname": name, "exp_alerts": [raised(name, fired[name])] if name in fired else []}
            for name in RULES
        ],
    }
    document = {"rule_files": ["alerts.rules"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "case.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [promtool, "test", "rules", "case.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def raised(name: str, labels: dict[str, str]) -> dict[str, Any]:
    rule = RULES[name]
    summary = rule["annotations"]["summary"].replace("{{ $value }}", "15")
    for label, value in labels.items():
        summary = summary.replace(f"{{{{ $labels.{label} }}}}", value)
    return {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": {"summary": summary}}


def test_every_alert_is_raised_and_says_whom_it_is_about(tmp_path: Path) -> None:
    assert FIRED.keys() == RULES.keys() - {"ModelportGone"}
    assert after_half_an_hour(tmp_path, LOUD, FIRED) == ""


def test_none_is_raised_where_all_is_well(tmp_path: Path) -> None:
    assert after_half_an_hour(tmp_path, QUIET, {}) == ""


def test_three_small_replicas_whose_pods_nobody_names_are_not_one_large_one(tmp_path: Path) -> None:
    """As a Prometheus outside of Kubernetes scrapes them."""
    series = {
        f'modelport_process_memory_bytes{{job="genre",instance="host-{n}:8000",process="worker",pid="7"}}': "120000000x40"
        for n in range(3)
    }
    assert after_half_an_hour(tmp_path, QUIET | series, {}) == ""


def test_a_call_is_slow_by_what_was_measured_of_this_model() -> None:
    slow = replace(RELEASE, resources=replace(RELEASE.resources, slow_s=12))
    (rule,) = (r for r in monitoring.alert_rules(slow)["groups"][0]["rules"] if r["alert"] == "ModelportSlow")
    assert rule["expr"].endswith(" > 12")
    assert rule["annotations"]["summary"].endswith("longer than 12 s")


def test_a_service_of_which_nothing_is_scraped_is_told(tmp_path: Path) -> None:
    said = after_half_an_hour(tmp_path, {"up": "1x40"}, {"ModelportGone": {"job": "genre"}})
    assert said == ""

"""Without a cluster: the unit that systemd takes, and the Compose file."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from modelport.deploy.hosts import Host, compose_file, systemd_unit
from tests.deploy.test_manifests import RELEASE, faults_of
from tests.process.server import Server

HOST = Host("/tmp", "genre.bundle", "/bin/true")
ODD = Host("/srv/50% off $HOME", "my genre.bundle", "/opt/my $tools/modelport")


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze") or pytest.skip("systemd-analyze is not installed")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, host: Host = HOST) -> Path:
    unit = folder / "genre.service"
    release = replace(RELEASE, variables={"MODELPORT_MAX_BODY": "64MiB", "GREETING": 'say "hello" 100%'})
    unit.write_text(systemd_unit(release, host, "0.1.0"), encoding="utf-8")
    return unit


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    done = analyze("verify", written(tmp_path))
    assert "genre.service" not in done.stderr, done.stderr


def test_systemd_finds_little_that_the_unit_may_do(tmp_path: Path) -> None:
    done = analyze("security", "--offline=yes", "--threshold=20", written(tmp_path))
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def test_paths_and_values_reach_the_service_whatever_is_in_them(tmp_path: Path) -> None:
    text = written(tmp_path, ODD).read_text(encoding="utf-8")
    assert "WorkingDirectory=/srv/50%% off $HOME\n" in text
    assert 'ExecStart="/opt/my $$tools/modelport" serve "my genre.bundle" --host' in text
    assert 'Environment="GREETING=say \\"hello\\" 100%%"\n' in text
    assert "Environment=MODELPORT_MAX_BODY=64MiB\n" in text


def test_systemd_is_told_when_the_service_is_ready(bundle: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        with Server.start(bundle, "--workers", 1, folder=tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")):
            assert told.recv(100) == b"READY=1"


def test_the_compose_file_is_one() -> None:
    assert faults_of(compose_file(RELEASE), "compose") == []


def test_the_compose_file_gives_the_same_limits_and_rights() -> None:
    (service,) = compose_file(replace(RELEASE, variables={"PRICE": "5$"}))["services"].values()
    assert service["mem_limit"] == "256m"
    assert service["stop_grace_period"] == "45s"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["environment"]["PRICE"] == "5$$"


def test_a_service_that_is_built_for_gpus_asks_for_one() -> None:
    composed = compose_file(replace(RELEASE, gpus=1))
    assert faults_of(composed, "compose") == []
    assert composed["services"]["genre"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert "deploy" not in compose_file(RELEASE)["services"]["genre"]


def test_a_unit_whose_database_was_away_for_a_minute_is_started_again(tmp_path: Path) -> None:
    """systemd gives up after five starts within ten seconds, and nobody is there to say otherwise."""
    text = written(tmp_path).read_text(encoding="utf-8")
    assert "StartLimitIntervalSec=0\n" in text.partition("[Service]")[0]
    assert "Restart=on-failure\nRestartSec=5\n" in text

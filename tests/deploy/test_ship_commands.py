"""`modelport ship` as its user meets it: what it writes, what it refuses, what it says next."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from modelport.assembly import copy_bundle
from modelport.cli.ship import program
from modelport.errors import ConfigError
from tests.conftest import Music
from tests.deploy.conftest import modelport
from tests.process.server import Server


def test_a_bundle_becomes_everything_an_image_is_built_from(bundle: Path, tmp_path: Path) -> None:
    done = modelport("ship", "docker", bundle, "--out", tmp_path / "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    written = {path.name for path in out.iterdir()}
    assert written == {
        "Dockerfile", ".dockerignore", "requirements.lock", "sbom.cdx.json", "compose.yaml", "genre.bundle",
    }  # fmt: skip
    assert "scikit-learn" not in (out / "requirements.lock").read_text(encoding="utf-8")
    assert f"docker build -t genre:{_version(bundle)} ." in done.stdout
    bill = json.loads((out / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert bill["metadata"]["component"]["type"] == "machine-learning-model"
    assert {"onnxruntime", "modelport"} <= {component["name"] for component in bill["components"]}


def _version(bundle: Path) -> str:
    import hashlib

    return hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()[:12]


@pytest.mark.slow
def test_nothing_is_overwritten_unless_it_is_said(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "kubernetes").mkdir()
    (tmp_path / "kubernetes" / "service.yaml").write_text("mine", encoding="utf-8")
    refused = modelport("ship", "kubernetes", bundle, "--out", tmp_path, folder=tmp_path)
    assert refused.returncode == 2
    assert "service.yaml is there already" in refused.stderr
    assert [path.name for path in (tmp_path / "kubernetes").iterdir()] == ["service.yaml"]
    forced = modelport("ship", "kubernetes", bundle, "--out", tmp_path, "--force", folder=tmp_path)
    assert forced.returncode == 0, forced.stderr
    assert yaml.safe_load((tmp_path / "kubernetes" / "service.yaml").read_text(encoding="utf-8"))["kind"] == "Service"


@pytest.mark.slow
def test_another_bundle_that_lies_where_an_image_is_built_is_not_shipped_in_its_place(
    bundle: Path, tmp_path: Path, music: Music
) -> None:
    there = tmp_path / "out" / bundle.name
    built = modelport("build", music.joblib, "--no-compile", "-o", there, folder=tmp_path)
    assert built.returncode == 0, built.stderr
    with pytest.raises(ConfigError, match="is there already"):
        copy_bundle(bundle, there)
    copy_bundle(bundle, there, force=True)
    assert _version(there) == _version(bundle)
    copy_bundle(bundle, there)
    with pytest.raises(ConfigError, match="lies inside"):
        copy_bundle(bundle, bundle / bundle.name)
    (tmp_path / bundle.name).mkdir()
    (tmp_path / bundle.name / "diary.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no bundle, and is not replaced"):
        copy_bundle(bundle, tmp_path / bundle.name, force=True)


def test_a_service_in_python_is_shipped_with_what_it_needs_and_room_for_its_own_process(app: Path) -> None:
    done = modelport("ship", "docker", "app.py", "--name", "loud", folder=app.parent)
    assert done.returncode == 0, done.stderr
    text = (app.parent / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["serve", "app.py"]' in text
    assert (app.parent / "requirements.txt").read_text(encoding="utf-8") == "modelport\n"
    composed = yaml.safe_load((app.parent / "compose.yaml").read_text(encoding="utf-8"))
    assert composed["services"]["loud"]["cpus"] == 2.0


def test_a_unit_names_the_program_and_the_folder(bundle: Path, tmp_path: Path) -> None:
    done = modelport(
        "ship", "systemd", bundle, "--out", tmp_path, "--executable", "/opt/venv/bin/modelport", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    unit = (tmp_path / "genre.service").read_text(encoding="utf-8")
    assert f"WorkingDirectory={bundle.parent}" in unit
    assert "ExecStart=/opt/venv/bin/modelport serve genre.bundle" in unit


def test_a_single_file_is_refused_with_the_command_that_makes_a_bundle_of_it(music: Music, tmp_path: Path) -> None:
    done = modelport("ship", "docker", music.joblib, folder=tmp_path)
    assert done.returncode == 2
    assert f"modelport build {music.joblib}" in done.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing.bundle", "nothing.bundle does not exist"),
        ("app.py", "app.py does not exist"),
        ("pkg:service", "app.py:service"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(source: str, said: str, tmp_path: Path) -> None:
    done = modelport("ship", "kubernetes", source, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_service_without_a_list_of_what_it_needs_is_refused(app: Path, tmp_path: Path) -> None:
    shutil.copy(app, tmp_path)
    done = modelport("ship", "docker", "app.py", folder=tmp_path)
    assert done.returncode == 2
    assert "requirements.txt" in done.stderr


def test_kserve_has_to_be_told_where_the_bundle_lies(bundle: Path, tmp_path: Path) -> None:
    done = modelport("ship", "kubernetes", bundle, "--kserve", folder=tmp_path)
    assert done.returncode == 2
    assert "--storage s3://" in done.stderr


def test_what_does_not_start_is_not_shipped(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise ValueError('no database')", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    done = modelport("ship", "kubernetes", "app.py", "--name", "x", folder=tmp_path)
    assert done.returncode == 2
    assert "does not start, so it cannot be shipped" in done.stderr
    assert "no database" in done.stderr


def test_the_health_of_a_service_is_an_exit_code(served_url: str, tmp_path: Path) -> None:
    well = modelport("healthcheck", "--url", f"{served_url}/readyz", folder=tmp_path)
    assert (well.returncode, "ready" in well.stdout) == (0, True)
    unwell = modelport("healthcheck", "--url", f"{served_url}/nothing", folder=tmp_path)
    assert unwell.returncode == 1
    gone = modelport("healthcheck", "--url", "http://127.0.0.1:9/readyz", folder=tmp_path)
    assert gone.returncode == 1
    assert "does not answer" in gone.stderr


def test_the_health_is_asked_where_the_service_is_configured_to_listen(bundle: Path, tmp_path: Path) -> None:
    with Server.start(bundle, "--workers", 1, folder=tmp_path) as server:
        port = server.url.rpartition(":")[2]
        (tmp_path / "modelport.toml").write_text(f'host = "0.0.0.0"\nport = {port}\n', encoding="utf-8")
        assert modelport("healthcheck", folder=tmp_path).returncode == 0
        assert modelport("healthcheck", "--live", folder=tmp_path).returncode == 0


@pytest.mark.slow
def test_where_a_file_is_in_the_way_nothing_at_all_is_written(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "Dockerfile").write_text("FROM mine", encoding="utf-8")
    done = modelport("ship", "docker", bundle, "--out", out, folder=tmp_path)
    assert done.returncode == 2
    assert "Dockerfile is there already" in done.stderr
    assert [path.name for path in out.iterdir()] == ["Dockerfile"]


def test_a_service_cannot_be_shipped_into_another_folder_and_that_is_told_at_once(app: Path, tmp_path: Path) -> None:
    done = modelport("ship", "docker", app, "--out", tmp_path, "--name", "loud", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == f"modelport: an image of a service is built from its own folder: --out {app.parent}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--name", "Genre_1"), "as in  --name genre-1"),
        (("--tag", "Team/Genre"), "the repository in lower case"),
        (("--env", "MODELPORT_PORT=1"), "is decided already"),
        (("--storage", "s3://models/genre.bundle"), "--storage is for --kserve"),
        (("--knative", "--autoscaler", "keda"), "--knative scales by itself"),
        (("--helm", "--kustomize"), "--helm and --kustomize are two forms"),
        (("--kserve", "--storage", "s3://x/y", "--autoscaler", "hpa"), "say --autoscaler keda"),
        (("--kserve", "--storage", "genre.bundle"), "is no address"),
        (("--out", __file__), "is no folder"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_started(
    options: tuple[str, ...], said: str, bundle: Path, tmp_path: Path
) -> None:
    done = modelport("ship", "kubernetes", bundle, *options, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_options_reach_the_measured_service_the_image_and_every_manifest(bundle: Path, tmp_path: Path) -> None:
    told = ("--env", "MODELPORT_DEFAULT_DEADLINE=60s", "--env", "GREETING=a $b")
    docker = modelport("ship", "docker", bundle, "--out", tmp_path, *told, folder=tmp_path)
    assert docker.returncode == 0, docker.stderr
    text = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert 'MODELPORT_DEFAULT_DEADLINE="60s"' in text
    assert 'GREETING="a \\$b"' in text
    done = modelport("ship", "kubernetes", bundle, "--out", tmp_path, *told, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    pod = yaml.safe_load((tmp_path / "kubernetes" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    environment = {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}
    assert environment["MODELPORT_DEFAULT_DEADLINE"] == "60s"
    assert environment["MODELPORT_STOP_TIMEOUT"] == "65s"  # the delay, a minute and its grace, and the last words
    assert pod["terminationGracePeriodSeconds"] == 75


@pytest.mark.slow
def test_a_bundle_whose_name_has_spaces_is_shipped(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "my genre.bundle")
    done = modelport("ship", "docker", "my genre.bundle", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert 'COPY ["my genre.bundle", "/srv/my genre.bundle/"]' in text
    assert 'CMD ["serve", "my genre.bundle"]' in text


def test_a_digest_is_refused_where_an_image_is_to_be_built(bundle: Path, tmp_path: Path) -> None:
    tag = "registry.example/genre@sha256:" + "ab" * 32
    done = modelport("ship", "docker", bundle, "--out", "out", "--tag", tag, folder=tmp_path)
    assert done.returncode == 2
    assert "names an image that is there already" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_unit_names_this_program_and_not_the_first_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("this", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "modelport").write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / folder / "modelport").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "this" / "python"))
    assert program(None) == str(tmp_path / "this" / "modelport")
    (tmp_path / "this" / "modelport").unlink()
    assert program(None) == str(tmp_path / "other" / "modelport")
    assert program("/opt/genre/bin/modelport") == "/opt/genre/bin/modelport"


def test_a_program_has_to_be_named_by_its_whole_path(bundle: Path, tmp_path: Path) -> None:
    done = modelport("ship", "systemd", bundle, "--executable", "bin/modelport", folder=tmp_path)
    assert done.returncode == 2
    assert "'bin/modelport' is no whole path" in done.stderr


@pytest.mark.slow
def test_what_an_earlier_run_has_left_beside_the_manifests_is_told(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "with space"
    (out / "kubernetes").mkdir(parents=True)
    (out / "kubernetes" / "scaledobject.yaml").write_text("kind: ScaledObject\n", encoding="utf-8")
    done = modelport("ship", "kubernetes", bundle, "--out", out, "--autoscaler", "hpa", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scaledobject.yaml is none of these files, and would be applied with them" in done.stderr
    assert f"kubectl apply -f '{out}/kubernetes'" in done.stdout
    scaler = yaml.safe_load((out / "kubernetes" / "horizontalpodautoscaler.yaml").read_text(encoding="utf-8"))
    assert [metric["type"] for metric in scaler["spec"]["metrics"]] == ["Pods", "Resource"]  # it is compiled

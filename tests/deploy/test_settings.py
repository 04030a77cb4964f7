"""What is told to be wrong before anything is measured: names, tags, variables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from modelport.deploy.reference import read_reference
from modelport.deploy.settings import read_settings
from modelport.deploy.subject import Subject, read_subject
from modelport.deploy.text import to_yaml
from modelport.errors import ConfigError

DIGEST = "sha256:" + "0a" * 32


@pytest.fixture
def service(tmp_path: Path) -> Subject:
    """A service with a file of options, as people keep one beside it."""
    (tmp_path / "app.py").write_text("", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    (tmp_path / "modelport.toml").write_text('stop_timeout = "90s"\n', encoding="utf-8")
    return read_subject(str(tmp_path / "app.py"), "loud")


@pytest.mark.parametrize("name", ["Genre_1", "1genre", "-", "genre!", "", "g" * 41])
def test_a_name_that_kubernetes_does_not_take_is_refused_with_one_that_it_takes(name: str, bundle: Path) -> None:
    with pytest.raises(ConfigError, match=r"as in  --name (genre-1|genre|model|ggg)"):
        read_subject(str(bundle), name)


def test_what_a_folder_is_called_becomes_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "My Models_2"
    folder.mkdir()
    (folder / "app.py").write_text("", encoding="utf-8")
    (folder / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    assert read_subject(str(folder / "app.py")).name == "my-models-2"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("genre", "genre:1"),
        ("localhost:5000/team/genre", "localhost:5000/team/genre:1"),
        ("Registry.example/genre:2.0", "Registry.example/genre:2.0"),
        (f"genre@{DIGEST}", f"genre@{DIGEST}"),
        (f"genre:2@{DIGEST}", f"genre:2@{DIGEST}"),
    ],
)
def test_an_image_is_called_as_its_user_says(text: str, whole: str) -> None:
    assert str(read_reference(text, "1")) == whole


@pytest.mark.parametrize("text", ["Genre", "team/Genre:1", "genre:", "a b", "genre@sha256:12", "genre:-1", ""])
def test_an_image_that_no_registry_would_take_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot name an image"):
        read_reference(text, "1")


def test_what_the_service_is_told_counts_together_with_its_file(service: Subject) -> None:
    settings = read_settings(["MODELPORT_DEFAULT_DEADLINE=2s", "GREETING=a=b"], service)
    assert settings.variables == {"MODELPORT_DEFAULT_DEADLINE": "2s", "GREETING": "a=b"}
    assert (settings.options.stop_timeout, settings.options.default_deadline) == (90, 2)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("MODELPORT_PORT=9000", "the port in an image is 8000"),
        ("MODELPORT_WORKERS=4", "say --workers"),
        ("MODELPORT_MAX_BODDY=1MiB", "did you mean MODELPORT_MAX_BODY"),
        ("MODELPORT_DEFAULT_DEADLINE=soon", "wants a duration"),
        ("max_body", "write NAME=VALUE"),
        ("A=two\nlines", "write NAME=VALUE"),
    ],
)
def test_a_variable_that_the_service_would_refuse_is_refused_here(pair: str, said: str, service: Subject) -> None:
    with pytest.raises(ConfigError, match=said):
        read_settings([pair], service)


def test_a_service_that_ends_tls_itself_is_refused_since_its_probes_would_fail(service: Subject) -> None:
    for name in ("cert", "key"):
        (service.folder / name).write_text("", encoding="utf-8")
    pairs = [f"MODELPORT_TLS_CERT={service.folder / 'cert'}", f"MODELPORT_TLS_KEY={service.folder / 'key'}"]
    with pytest.raises(ConfigError, match="let the ingress"):
        read_settings(pairs, service)


def test_the_tag_of_a_service_changes_with_every_file_that_is_in_its_image_and_with_no_other(service: Subject) -> None:
    def version() -> str:
        return read_subject(str(service.folder / "app.py"), "loud").version

    before = version()
    for name in ("Dockerfile", "sbom.cdx.json", ".env", "notes.ipynb"):
        (service.folder / name).write_text("new", encoding="utf-8")
    assert version() == before
    (service.folder / "weights").mkdir()
    (service.folder / "weights" / "model.bin").write_bytes(b"1")
    assert version() != before


@pytest.mark.parametrize("value", ["12e456789012", "123456789012", "0x1f", "0o17", "1_000", "true", "1.5", "~", "no"])
def test_a_text_that_looks_like_a_number_is_a_text_to_every_reader_of_yaml(value: str) -> None:
    text = to_yaml({"version": value})
    assert yaml.safe_load(text) == {"version": value}
    assert text == f"version: '{value}'\n"

"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.server import child_environment

APP = """
from modelport import Service

service = Service("s")

@service.model("double")
def double(x: float) -> float:
    return 2 * x

@service.get("/sign-in")
def sign_in():
    from fastapi import Response
    answer = Response()
    answer.set_cookie("user", "ann")
    return answer
"""
TESTS = """
import pytest
from modelport import Service
from modelport.testing import Fake

def test_the_configured_service(modelport_client):
    assert modelport_client.post("/models/double/predict", json={"x": 2}).json() == 4.0
    modelport_client.get("/sign-in")
    assert modelport_client.cookies

def test_cookies_do_not_last(modelport_client):
    assert not modelport_client.cookies

@pytest.mark.modelport(fakes={"double": 7.0})
def test_a_fake(modelport_client):
    assert modelport_client.post("/models/double/predict", json={"x": 2}).json() == 7.0

other = Service("other")

@other.model("half")
def half(x: float) -> float:
    return x / 2

@pytest.mark.modelport(other)
def test_another_service(modelport_client):
    assert modelport_client.post("/predict", json={"x": 2}).json() == 1.0
"""


def run_pytest(folder: Path, *more: str) -> tuple[int, str]:
    """In the folder, with nothing but our plugin."""
    flags = ["-p", "modelport.testing.plugin", "-p", "no:cacheprovider", "-q", "--strict-markers", *more]
    environment = child_environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    command = [sys.executable, "-m", "pytest", *flags]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a service, tests of it, and golden cases."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmodelport_service = app.py\n")
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "double.golden.ndjson").write_text(
        '{"record": {"x": 1}, "answer": 2}\n{"record": {"x": 3}, "answer": 6}\n'
    )
    return tmp_path


def test_tests_get_a_client_of_the_configured_service_and_golden_cases_are_tests(project: Path) -> None:
    code, said = run_pytest(project)
    assert (code, "5 passed" in said) == (0, True), said


def test_a_golden_case_that_differs_fails_with_its_line_and_field(project: Path) -> None:
    (project / "double.golden.ndjson").write_text(
        '{"record": {"x": 1}, "answer": 2}\n{"record": {"x": 3}, "answer": 5}\n'
    )
    code, said = run_pytest(project, "double.golden.ndjson")
    assert code == 1
    assert "double.golden.ndjson:2: the answer: expected 5, got 6.0" in said


def test_without_a_service_the_fixture_says_what_to_write(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\n")
    code, said = run_pytest(project)
    assert code == 1
    assert 'say what is served: modelport_service = "app.py"' in said
    assert "golden" not in said

"""What cannot be installed beside the packages of a model is told and left out; the others are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelport.compare import comparison
from modelport.compare.comparison import Setting, Teller, build_environments, start
from modelport.compare.contestants import CONTESTANTS
from modelport.compare.guests import GUESTS
from modelport.compare.machine import Cores
from modelport.compare.plan import Plan
from modelport.compare.subject import Subject
from modelport.errors import SetupError

pytestmark = pytest.mark.slow
DESCRIBED: dict[str, Any] = {"inputs": [], "outputs": [{"name": "y", "type": "float"}], "version": "1"}


def setting(out: Path, *names: str) -> Setting:
    """Of contestants of these names."""
    chosen = tuple(c for c in (*CONTESTANTS, *GUESTS) if c.name in names)
    subject = Subject("m", Path("/m.joblib"), DESCRIBED, ({},), (), ())
    return Setting(subject, chosen, (), Plan(1, 1, 1, 1, 1, 1, 4, Cores((0,), 1)), out, "modelport compare")


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of requirements, and no index to take packages from."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(comparison, "REQUIREMENTS", tmp_path)
    (tmp_path / "ray.txt").write_text("there-is-no-such-package==1.0\n")
    (tmp_path / "fastapi.txt").write_text("")
    return tmp_path


def test_who_cannot_be_installed_is_told_and_left_out(requirements: Path, tmp_path: Path) -> None:
    said: list[str] = []
    wanted = setting(tmp_path / "out", "fastapi", "ray", "modelport")
    environments = build_environments(wanted, Teller(said.append, lambda done, total: None))
    assert any("requirements-ray.txt cannot be installed here: ERROR: " in line for line in said)
    results, _ = start(wanted, environments)
    assert [c["name"] for c in results.contestants] == ["fastapi", "modelport"]
    assert "there-is-no-such-package" in results.failed["ray"]


def test_a_comparison_with_nobody_is_refused(requirements: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none of the contestants here:\nERROR: .*there-is-no-such-package"):
        build_environments(setting(tmp_path / "out", "ray"), Teller(lambda text: None, lambda done, total: None))

"""Old models in real processes: proven at the first start, found at the second, trusted with a header, refused at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.native.places import doctored, put_installed
from tests.process.engine import Served, alive, descendants, serve, until

RECORD = {"x0": 0.1, "x1": 0.2}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    inputs = np.random.default_rng(0).normal(size=(60, 2))
    return doctored(LogisticRegression().fit(inputs, inputs[:, 0] > 0), tmp_path / "model.joblib")


@pytest.mark.slow
def test_an_old_model_is_proven_at_the_first_start_and_served_at_the_second_without_the_environment(
    old: Path, tmp_path: Path
) -> None:
    put_installed(tmp_path / "cache")
    with serve(old, "--cache-dir", str(tmp_path / "cache"), ready=False) as served:
        served.wait_for("was saved by scikit-learn 1.8.0, here is", 30)
        served.wait_for("serves model at", 120)
        assert "as scikit-learn 1.8.0 does" in served.text()
    shutil.rmtree(tmp_path / "cache" / "native")
    with serve(old, "--cache-dir", str(tmp_path / "cache")) as served:
        assert "was saved by" not in served.text()
        answer = served.predict(RECORD)
        assert answer.status == 200
        assert "modelport-trusted-version" not in answer.headers


@pytest.mark.slow
def test_the_native_environment_serves_beneath_the_holder_and_ends_with_it(old: Path, tmp_path: Path) -> None:
    """Without compilation and with an installed version that cannot read the file."""
    put_installed(tmp_path / "cache")
    old.write_bytes(old.read_bytes().replace(b"sklearn.linear_model._logistic", b"sklearn.linear_model._logistik"))
    packages = next((tmp_path / "cache").glob("native/*/lib/*/site-packages"))
    (packages / "renamed.pth").write_text(_RENAME)
    with serve(old, "--no-compile", "--cache-dir", str(tmp_path / "cache"), ready=False) as served:
        served.wait_for("serves model at", 120)
        assert "(the native environment)" in served.text()
    with serve(old, "--no-compile", "--cache-dir", str(tmp_path / "cache")) as served:
        assert served.predict(RECORD).json["prediction"] is True
        until(lambda: len(native_of(served)) == 2, 30)  # beneath the holder and its standby
        native = native_of(served)
        holders = [command for _, command in descendants(served.process.pid) if "assembly.holder" in command]
        assert all("holder_early" in command for command in holders)  # what takes longest is begun before all else
    assert not any(alive(pid) for pid in native)


@pytest.mark.slow
def test_a_later_start_without_a_compiled_form_leaves_alone_what_the_model_does_without(
    old: Path, tmp_path: Path
) -> None:
    put_installed(tmp_path / "cache")
    told = ("--no-compile", "--cache-dir", str(tmp_path / "cache"))
    with serve(old, *told, ready=False) as served:
        served.wait_for("serves model at", 120)
    shutil.rmtree(tmp_path / "cache" / "native")
    with serve(old, *told) as served:
        assert served.predict(RECORD).json["prediction"] is True
        until(
            lambda: [("sklearn" in libraries) for libraries in held_by(served)] == [True, True], 30
        )  # the standby, too
        assert not any("pandas" in libraries or "scipy/stats" in libraries for libraries in held_by(served))


def held_by(served: Served) -> list[str]:
    """The compiled libraries that each holder has open, as Linux tells."""
    holders = [pid for pid, command in descendants(served.process.pid) if "assembly.holder" in command]
    return [Path(f"/proc/{pid}/maps").read_text() for pid in holders]


def native_of(served: Served) -> list[int]:
    return [pid for pid, command in descendants(served.process.pid) if "foreign.py" in command]


_RENAME = "import sys, sklearn.linear_model._logistic as m; sys.modules['sklearn.linear_model._logistik'] = m\n"
"""A module of that release that the installed one does not have."""


def test_who_trusts_the_version_is_told_in_every_answer(old: Path, tmp_path: Path) -> None:
    with serve(old, "--trust-version", "--no-compile", "--cache-dir", str(tmp_path / "cache")) as served:
        assert "note     WARNING: saved by scikit-learn 1.8.0" in served.text()
        assert served.predict(RECORD).headers["modelport-trusted-version"] == "scikit-learn 1.8.0"


def test_what_cannot_be_shown_ends_the_start_with_what_to_do(old: Path, tmp_path: Path) -> None:
    """No interpreter of its time is there, which is told before anything is installed."""
    old.write_bytes(old.read_bytes().replace(b"1.8.0", b"0.1.0"))
    command = [
        sys.executable,
        "-m",
        "modelport",
        "serve",
        str(old),
        "--port",
        "0",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stderr
    assert done.returncode == 2
    assert "was saved by scikit-learn 0.1.0, here is" in said
    assert "scikit-learn 0.1.0 has no known environment" in said
    assert "--trust-version" in said

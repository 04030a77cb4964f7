"""What users install is the wheel, not this folder: it must hold everything that is not code, too."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from this folder."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_it_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    ours = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - set(wheel.namelist()) == set()
    assert "modelport/py.typed" in wheel.namelist()


def test_it_holds_the_licenses_of_what_it_ships(wheel: zipfile.ZipFile) -> None:
    licenses = [Path(name).name for name in wheel.namelist() if "/licenses/" in name]
    assert "LICENSE" in licenses
    assert {"LICENSE.redoc.txt", "LICENSE.swagger-ui.txt"} <= set(licenses)


def test_it_serves_without_this_folder(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked elsewhere and asked for its pages: nothing may be looked up beside the source."""
    wheel.extractall(tmp_path)
    code = (
        "import modelport, modelport.fronts.docs_pages as pages; "
        f"assert modelport.__file__.startswith({str(tmp_path)!r}), modelport.__file__; "
        "print([name for name in sorted(pages.asset_names()) if not pages.asset(name).content])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")

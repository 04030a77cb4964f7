"""Environments: reused while they are whole, built by one process at a time, and a clear word where one cannot be had."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from modelport.errors import ArtifactError
from modelport.native import environments, installers
from modelport.native.environments import ABOUT, find, provide
from modelport.native.installers import NotHere
from tests.native.places import OTHER, need_of, put_installed

NEED = need_of(OTHER)


def test_one_that_is_there_is_used_and_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_installed(tmp_path)
    monkeypatch.setattr(environments, "install", lambda *_: pytest.fail("installed"))
    assert provide(NEED, tmp_path) == find(NEED, tmp_path)


def test_its_interpreter_sees_its_own_libraries_and_nothing_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = put_installed(tmp_path / "cache")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the caller reached in')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "script.py"
    script.write_text("import numpy, sys; print(sys.prefix)")
    done = subprocess.run(
        environment.command(script), capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert done.stdout.startswith(str(environment.folder))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"versions": {}}'])
def test_one_that_is_not_whole_is_none(damage: str, tmp_path: Path) -> None:
    folder = put_installed(tmp_path).folder
    (folder / ABOUT).write_text(damage)
    assert find(NEED, tmp_path) is None


def test_one_whose_interpreter_was_removed_is_none(tmp_path: Path) -> None:
    folder = put_installed(tmp_path).folder
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")
    assert find(NEED, tmp_path) is None


def test_none_is_used_or_built_where_every_user_may_put_another_in_its_place(tmp_path: Path) -> None:
    put_installed(tmp_path)
    (tmp_path / "native").chmod(0o777)
    for use in (find, provide):
        with pytest.raises(ArtifactError, match=r"native may be written by every user, and nothing in it is used"):
            use(NEED, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "native").write_text("no folder")
    with pytest.raises(ArtifactError, match=r"scikit-learn==1.8.0 cannot be kept in .*say --cache-dir FOLDER"):
        provide(NEED, tmp_path)


def test_what_an_installation_leaves_behind_is_removed_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotHere("there is no wheel")

    monkeypatch.setattr(environments, "install", fail)
    with pytest.raises(ArtifactError, match="there is no wheel"):
        provide(need_of("1.7.0"), tmp_path)
    assert [path.suffix for path in (tmp_path / "native").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (
            "ERROR: No matching distribution found for scikit-learn==0.20.9",
            NotHere,
            "there is no wheel of scikit-learn==0.20.9 for Python 3.7 on this platform",
        ),
        (
            "error: Failed to fetch: `https://index/simple/numpy/`\n  Caused by: dns error: Temporary failure in name resolution",
            ArtifactError,
            "the package index is not reached",
        ),
        ("ERROR: [Errno 28] No space left on device", ArtifactError, "the disk of /cache/native is full"),
        ("", NotHere, "nothing was said"),
    ],
)
def test_what_an_installer_says_is_told_in_one_line(said: str, kind: type[Exception], told: str) -> None:
    error = installers._told(NEED, "3.7", said, Path("/cache/native/draft-1/lib/python3.7/site-packages"))
    assert type(error) is kind
    assert told in str(error)
    assert "\n" not in str(error)

"""The cache of compiled models, where it cannot be written, and where somebody else was there first."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from modelport.compilation.cache import Cache, Refused, private_folder, runtime_version


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """One whose folder cannot be made: a file is in its way."""
    (tmp_path / "file").write_text("")
    return Cache(tmp_path / "file")


def own(temporary: Path) -> Path:
    return temporary / f"modelport-{os.geteuid()}"


def test_what_cannot_be_kept_in_the_cache_is_found_in_the_private_folder(cache: Cache, temporary: Path) -> None:
    assert private_folder() is None
    cache.keep_refusal("key", Refused("it is strange"))
    assert cache.refused("key") == Refused("it is strange")
    assert (own(temporary) / "key").is_dir()
    assert own(temporary).stat().st_mode & 0o777 == 0o700


def test_a_cache_that_can_be_written_leaves_the_private_folder_alone(tmp_path: Path, temporary: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.keep_refusal("key", Refused("it is strange"))
    assert cache.refused("key") is not None
    assert list(temporary.iterdir()) == []


def place_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere"))


def place_open_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o770)


def place_file(path: Path) -> None:
    path.write_text("")


def place_folder_of_another(path: Path) -> None:
    path.mkdir(mode=0o700)
    try:
        os.chown(path, 12345, 12345)
    except PermissionError:
        pytest.skip("only root can give files away")


@pytest.mark.parametrize("place", [place_link, place_open_folder, place_file, place_folder_of_another])
def test_what_others_may_have_put_there_is_not_used(cache: Cache, temporary: Path, place: object) -> None:
    assert callable(place)
    place(own(temporary))
    assert private_folder(create=True) is None
    draft = cache.draft()
    assert own(temporary) not in draft.parents
    assert draft.parent.stat().st_mode & 0o777 == 0o700
    assert cache.keep(draft, "key").parent == draft.parent


def test_where_nothing_can_be_written_that_is_an_error(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/none")
    with pytest.raises(OSError, match="Not a directory"):
        cache.draft()


def test_the_runtime_is_known_by_its_version_however_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime_version() == version("onnxruntime")
    (tmp_path / "onnxruntime_gpu-1.99.0.dist-info").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path / "gone"), str(tmp_path)])
    assert runtime_version() == "1.99.0"
    (tmp_path / "onnxruntime_gpu-1.99.0.dist-info").rmdir()
    (tmp_path / "onnxruntime.egg-info").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.98.0\n")
    assert runtime_version() == "1.98.0"
    (tmp_path / "onnxruntime.egg-info").unlink()
    assert runtime_version() == ""

"""Environments for tests: the installed libraries in the place of another version, and real ones of old versions."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import joblib
import sklearn

from modelport.native.environments import ABOUT, FOLDER, Environment, provide
from modelport.native.versions import Need, StoredVersions, needed

OTHER = "1.8.0"
"""What doctored files say of the version that saved them."""


def need_of(version: str) -> Need:
    return needed(StoredVersions({"scikit-learn": version}, frozenset({"scikit-learn"})))


def put_installed(cache: Path, version: str = OTHER, need: Need | None = None) -> Environment:
    """The libraries of these tests, where the environment of another version would lie; `need` says what else is in it."""
    need = need or need_of(version)
    folder = cache / FOLDER / need.key
    packages = folder / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info[:2]))
    (folder / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\ninclude-system-site-packages = false\n")
    places = {sysconfig.get_path("purelib"), str(Path(sklearn.__file__).parent.parent)}
    (packages / "installed.pth").write_text("\n".join(sorted(places)))
    about = {"versions": {"scikit-learn": version, "python": "3.11.0"}, "digest": "0" * 64, "size": 1}
    (folder / ABOUT).write_text(json.dumps(about))
    return Environment(folder, {"scikit-learn": version, "python": "3.11.0"}, "0" * 64, 1)


def doctored(model: Any, path: Path, version: str = OTHER) -> Path:
    """A file that says that another version saved it."""
    joblib.dump(model, path)
    current, other = sklearn.__version__.encode(), version.encode()
    before, after = b"\x8c" + bytes([len(current)]) + current, b"\x8c" + bytes([len(other)]) + other
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))
    return path


def cache_of_tests() -> Path:
    """Where real environments stay for the next run of the tests."""
    return Path(os.environ.get("MODELPORT_TEST_CACHE") or Path(tempfile.gettempdir()) / "modelport-test-cache")


def old_environment(version: str) -> Environment:
    """A real one."""
    return provide(need_of(version), cache_of_tests())


def doctored_skops(model: Any, path: Path, version: str = OTHER) -> Path:
    """A skops file that says that another version saved it."""
    import skops.io

    skops.io.dump(model, path)
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    before, after = f'"\\"{sklearn.__version__}\\""'.encode(), f'"\\"{version}\\""'.encode()
    assert before in members["schema.json"]
    members["schema.json"] = members["schema.json"].replace(before, after)
    with ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path

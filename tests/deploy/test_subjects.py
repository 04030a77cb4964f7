"""What is shipped has in its image what it has here: every library that its model names, every file, under its name."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from modelport.assembly.stored import unpackers_of
from modelport.deploy.image import ImageOptions, dockerfile, dockerignore
from modelport.deploy.subject import Subject, _libraries_of, check_image, read_subject
from modelport.errors import ArtifactError, ConfigError
from tests.conftest import Music
from tests.deploy.conftest import modelport
from tests.native.places import doctored

MIXED = """
import sys
import joblib, pandas
from lightgbm import LGBMClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

data = pandas.read_csv(sys.argv[1]).head(400)
inputs, target = data.drop(columns="genre").select_dtypes("number"), data["genre"]
voting = VotingClassifier([("a", LogisticRegression()), ("b", LGBMClassifier(n_estimators=2, verbose=-1))])
joblib.dump(voting.fit(inputs, target), sys.argv[2])
"""


@pytest.mark.slow
def test_an_original_brings_every_library_whose_classes_it_names(music: Music, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", MIXED, music.data, tmp_path / "mixed.joblib"], check=True)
    built = modelport("build", "mixed.joblib", "--no-compile", "-o", "mixed.bundle", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    names = {pin.name for pin in read_subject(str(tmp_path / "mixed.bundle")).pins}
    assert {"scikit-learn", "lightgbm"} <= names
    assert names.isdisjoint({"xgboost", "catboost", "onnxruntime"})


@pytest.fixture
def service(tmp_path: Path) -> Subject:
    """A service with a file beside it."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text("", encoding="utf-8")
    (folder / "requirements.txt").write_text("modelport\n", encoding="utf-8")
    (tmp_path / "store.bin").write_bytes(b"1")
    return read_subject(str(folder / "app.py"), "loud")


def test_a_link_to_what_is_not_in_the_image_is_refused(service: Subject) -> None:
    (service.folder / "inside.py").symlink_to("app.py")
    check_image(service)
    (service.folder / "model.bin").symlink_to("../store.bin")
    with pytest.raises(ConfigError, match=r"model\.bin is a link to \.\./store\.bin"):
        check_image(service)


def test_a_link_to_a_folder_elsewhere_is_refused_too(service: Subject) -> None:
    (service.folder / "store").symlink_to(service.folder.parent, target_is_directory=True)
    with pytest.raises(ConfigError, match="store is a link to /"):
        check_image(service)


def test_a_virtual_environment_stays_out_whatever_it_is_called(service: Subject) -> None:
    before = read_subject(str(service.folder / "app.py"), "loud").version
    (service.folder / "python3-env").mkdir()
    (service.folder / "python3-env" / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    (service.folder / "python3-env" / "python").symlink_to("/usr/bin/python3")
    check_image(service)
    assert "python3-env" in dockerignore(service).splitlines()
    assert read_subject(str(service.folder / "app.py"), "loud").version == before


@pytest.mark.parametrize("target", ["a$b.bundle", "[x].bundle", "-x.bundle", "it's.bundle", "two\nlines"])
def test_a_name_that_a_dockerfile_reads_otherwise_is_refused(service: Subject, target: str) -> None:
    with pytest.raises(ConfigError, match="cannot be named in a Dockerfile"):
        check_image(replace(service, target=target))
    check_image(replace(service, target="my genre+2.bundle"))


def test_the_image_runs_with_what_was_measured(service: Subject) -> None:
    text = dockerfile(service, ImageOptions("loud:1", variables={"MODELPORT_WORKERS": "2"}), "0.1.0")
    assert 'MODELPORT_WORKERS="2"' in text


@pytest.mark.slow
def test_a_bundle_of_xgboost_does_without_what_only_training_on_gpus_loads(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(BOOSTED, encoding="utf-8")
    done = subprocess.run([sys.executable, "make.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"  # of the libraries that were loaded for a prediction
    built = modelport("build", "boosted.ubj", "--no-compile", "-o", "boosted.bundle", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    names = {pin.name for pin in read_subject(str(tmp_path / "boosted.bundle")).pins}
    assert "xgboost" in names
    assert [name for name in names if name.startswith("nvidia")] == []


BOOSTED = """
import numpy, xgboost

rows = numpy.arange(40.0).reshape(20, 2)
model = xgboost.XGBRegressor(n_estimators=2).fit(rows, rows[:, 0])
model.save_model("boosted.ubj")
model.predict(rows)
print([line for line in open("/proc/self/maps") if "libnccl" in line])
"""


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("model.bst", b"tree\nversion=v4\n", "lightgbm"),
        ("model.bst", b'{"learner":{"attributes":{}', "xgboost"),
        ("model.bst", pickle.dumps({"model": None}), "scikit-learn"),
        ("model.pkl.gz", gzip.compress(pickle.dumps({"model": None}), mtime=0), "scikit-learn"),
        ("model.model", b"binf" + bytes(136) + (15).to_bytes(8, "little") + b"binary:logistic", "xgboost"),
        ("notes.txt", b"hello", None),
        ("model.cbm", b"CBM1", "catboost"),
    ],
)
def test_what_reads_a_file_is_told_by_its_content(
    name: str, content: bytes, wanted: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert wanted == next(iter(_libraries_of(tmp_path / name) or ()), None)


def test_what_unpacks_a_model_is_in_its_image(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x04\x22\x4d\x18" + bytes(20))
    (tmp_path / "scaler.pkl").write_bytes(gzip.compress(b""))
    assert unpackers_of([tmp_path / "scaler.pkl"]) == ()
    assert unpackers_of([tmp_path / "scaler.pkl", tmp_path / "model.pkl"]) == ("lz4",)


def test_of_an_old_model_the_command_that_proves_it_is_told(tmp_path: Path) -> None:
    path = doctored(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "old.joblib")
    with pytest.raises(ArtifactError, match=r"modelport rescue .*old\.joblib -o old\.bundle"):
        read_subject(str(path))

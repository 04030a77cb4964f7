"""`modelport inspect` tells of every kind of file what it is, what wrote it, and whether it could run code."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from modelport.assembly import build_bundle, inspect_artifact, keras
from modelport.assembly.facts import DATA, tell_file
from modelport.cli.inspect import run_inspect
from modelport.config import ServeOptions
from modelport.errors import ArtifactError

ROWS, LABELS = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
MODEL = LogisticRegression().fit(ROWS, LABELS)
SAVED = f"sklearn.linear_model._logistic.LogisticRegression, saved by scikit-learn {sklearn.__version__}"
BINARIES = Path(__file__).with_name("xgboost_binaries")
ALLOWED = "classes and functions that it names are on the allow-list; no code of it runs"


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.sav", "model.bst", "model"])
def test_a_pickle_of_any_name_tells_its_class_and_its_version(name: str, tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / name)
    told = tell_file(tmp_path / name)
    assert told["kind"] == f"joblib file of a {SAVED}"
    assert told["safe"].endswith(ALLOWED)


@pytest.mark.parametrize(
    ("method", "packing"), [("zlib", "zlib"), ("gzip", "gzip"), ("bz2", "bzip2"), ("xz", "xz"), ("lzma", "lzma")]
)
def test_a_packed_one_tells_what_it_is_packed_with(method: str, packing: str, tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / "model.joblib", (method, 3))
    assert tell_file(tmp_path / "model.joblib")["kind"] == f"joblib file packed with {packing} of a {SAVED}"


def test_a_plain_pickle_is_told_from_one_of_joblib(tmp_path: Path) -> None:
    (tmp_path / "model.pkl.gz").write_bytes(gzip.compress(pickle.dumps(MODEL)))
    assert tell_file(tmp_path / "model.pkl.gz")["kind"] == f"pickle packed with gzip of a {SAVED}"


@pytest.mark.parametrize(
    ("name", "version"),
    [("0.90_softprob.bst", "0.90 or older"), ("1.2.1_dart.bst", "1.2"), ("0.90_gblinear.bst", "0.90 or older")],
)
def test_a_binary_of_xgboost_tells_the_age_that_wrote_it(name: str, version: str) -> None:
    wanted = f"binary of XGBoost up to 3.0, which 3.1 itself does not read, written by xgboost {version}"
    assert tell_file(BINARIES / name) == {"kind": wanted, "safe": DATA}


@pytest.mark.parametrize(("suffix", "form"), [("json", "JSON"), ("ubj", "UBJSON")])
def test_other_files_of_xgboost_tell_their_form_and_version_whatever_their_names(
    suffix: str, form: str, tmp_path: Path
) -> None:
    xgboost = pytest.importorskip("xgboost")
    xgboost.train({}, xgboost.DMatrix(ROWS, LABELS), 2).save_model(tmp_path / f"model.{suffix}")
    (tmp_path / f"model.{suffix}").rename(tmp_path / "model.bst")
    wanted = f"{form} of XGBoost, written by xgboost {xgboost.__version__}"
    assert tell_file(tmp_path / "model.bst") == {"kind": wanted, "safe": DATA}


def test_a_file_of_lightgbm_tells_the_format_of_its_trees(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    lightgbm.train({"verbose": -1}, lightgbm.Dataset(ROWS, LABELS), 2).save_model(tmp_path / "model.bst")
    assert tell_file(tmp_path / "model.bst") == {"kind": "text file of LightGBM, with trees of format v4", "safe": DATA}


def test_a_file_of_catboost_tells_what_it_can(tmp_path: Path) -> None:
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostRegressor(iterations=2, verbose=False, allow_writing_files=False).fit(ROWS, LABELS)
    model.save_model(str(tmp_path / "model.cbm"))
    told = tell_file(tmp_path / "model.cbm")
    assert told["kind"].startswith("binary of CatBoost, w")
    assert told["safe"] == DATA


def onnx_file(path: Path, producer: str = "skl2onnx") -> Path:
    """One that adds a number to itself."""
    pair = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy"]
    made = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "graph", pair[:1], pair[1:])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name, model.producer_version = producer, "1.20" if producer else ""
    path.write_bytes(model.SerializeToString())
    return path


def test_an_onnx_file_tells_which_program_wrote_it(tmp_path: Path) -> None:
    told = tell_file(onnx_file(tmp_path / "model.onnx"))
    assert told == {"kind": "ONNX file, written by skl2onnx 1.20", "safe": DATA}
    untold = tell_file(onnx_file(tmp_path / "model.onnx", ""))
    assert untold["kind"] == "ONNX file, which does not tell the version that wrote it"


def test_files_of_keras_tell_their_form_and_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras, "CONVERTERS", ())
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.11.3"}))
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").write_bytes(b"\x08\x01\x12\x40\x0a\x3e" + b"\x2a\x062.15.0" + b"\x32\x07v2.15.0")
    assert tell_file(tmp_path / "net.keras")["kind"] == "archive of Keras, written by keras 3.11.3"
    assert tell_file(tmp_path / "net.h5")["kind"] == "HDF5 file of Keras, which does not tell the version that wrote it"
    assert tell_file(saved)["kind"] == "SavedModel of TensorFlow, written by tensorflow 2.15.0"
    assert tell_file(saved)["safe"].startswith("as far as you trust whoever made it: it is a program of TensorFlow's")


def test_a_folder_of_mlflow_and_a_bundle_tell_what_is_in_them(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    folder = tmp_path / "logged"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(MODEL))
    (folder / "MLmodel").write_text("flavors:\n  sklearn:\n    pickled_model: model.pkl\n", encoding="utf-8")
    assert tell_file(folder)["kind"] == f"model folder of MLflow with: pickle of a {SAVED}"
    joblib.dump(MODEL, tmp_path / "model.joblib")
    build_bundle(tmp_path / "model.joblib", tmp_path / "model.bundle", ServeOptions(no_compile=True))
    assert tell_file(tmp_path / "model.bundle")["kind"] == f"bundle of: joblib file of a {SAVED}"


def test_inspect_tells_it_before_the_signature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(BINARIES / "0.90_softprob.bst", tmp_path / "model.bst")
    pytest.importorskip("xgboost")
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    told = inspect_artifact(tmp_path / "model.bst", options)
    assert told["kind"].startswith("binary of XGBoost up to 3.0")
    assert told["safe"] == DATA
    assert run_inspect(tmp_path / "model.bst", options, False) == 0
    assert "written by xgboost 0.90 or older" in " ".join(capsys.readouterr().out.split())


def test_of_a_file_from_before_versions_were_stored_inspect_tells_all_but_that(tmp_path: Path) -> None:
    path = tmp_path / "old.joblib"
    joblib.dump(MODEL, path)
    path.write_bytes(path.read_bytes().replace(b"_sklearn_version", b"_sklearn_versiom"))
    told = inspect_artifact(path, ServeOptions(cache_dir=tmp_path / "cache", no_compile=True))
    assert told["saved_by"] == "scikit-learn a version that it does not name"
    assert told["needs"].startswith("the version of scikit-learn that saved it is not stored in it: install")
    assert told["serving"].startswith("is refused: ")
    assert told["safe"].startswith("yes: ")


def test_what_cannot_be_read_for_another_reason_is_an_error_as_ever(tmp_path: Path) -> None:
    joblib.dump({"no": "model"}, tmp_path / "dict.joblib")
    with pytest.raises(ArtifactError):
        inspect_artifact(tmp_path / "dict.joblib", ServeOptions(cache_dir=tmp_path / "cache", no_compile=True))

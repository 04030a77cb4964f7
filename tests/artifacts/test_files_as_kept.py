"""Files as people have them: under names that say nothing, packed, in folders of odds and ends, of libraries that are not read."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelport.artifacts.pickles.stream import LZ4
from modelport.artifacts.pickles.telling import is_pickle
from modelport.assembly import load_artifact
from modelport.assembly.artifacts import find_loader
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from tests.native.places import OTHER, doctored

ROWS = pd.DataFrame({"width": [1.0, 2.0, 3.0, 4.0] * 5, "height": [2.0, 1.0, 0.0, 5.0] * 5})
LARGE = [False, False, True, True] * 5
MODEL = LogisticRegression().fit(ROWS, LARGE)


def kind(path: Path) -> str:
    """The loader that takes a file."""
    return type(find_loader(path)).__name__


@pytest.mark.parametrize(
    "name", ["model", "clf.model", "model.dat", "model.bst", "model.pck", "model.sav", "model.obj"]
)
def test_a_pickle_is_told_by_its_content_where_its_name_says_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(MODEL))
    assert kind(tmp_path / name) == "SklearnLoader"


@pytest.mark.parametrize("method", ["zlib", "gzip", "xz", "lzma"])
@pytest.mark.parametrize("name", ["model.pkl.gz", "model.z", "model"])
def test_a_packed_pickle_is_told_by_what_is_inside(name: str, method: str, tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / name, (method, 3))
    assert kind(tmp_path / name) == "SklearnLoader"


def frame_of_lz4(content: bytes, packed: bool, sized: bool) -> bytes:
    """One block: of bytes as they are, or of a run of them and nothing that repeats. Written by hand, so without checksums."""
    flags, size = (b"\x68", len(content).to_bytes(8, "little")) if sized else (b"\x60", b"")
    rest = len(content) - 15
    run = b"\xf0" + b"\xff" * (rest // 255) + bytes([rest % 255]) + content
    block, mark = (run, 0) if packed else (content, 2**31)
    return LZ4 + flags + b"\x40" + size + b"\x00" + (len(block) | mark).to_bytes(4, "little") + block + bytes(4)


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_that_is_packed_with_lz4_is_told_without_its_library(packed: bool, sized: bool) -> None:
    content = pickle.dumps(MODEL)
    assert is_pickle(frame_of_lz4(content, packed, sized)[:4096])
    assert not is_pickle(frame_of_lz4(b"no pickle" + content, packed, sized)[:4096])


def test_the_first_bytes_of_such_a_file_alone_are_no_pickle() -> None:
    assert not any(is_pickle(frame_of_lz4(pickle.dumps(MODEL), True, True)[:length]) for length in range(21))


@pytest.mark.parametrize("name", ["model.lz4", "model.pkl.lz4", "model.joblib", "model"])
def test_what_unpacks_lz4_is_told_where_it_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(frame_of_lz4(pickle.dumps(MODEL), False, False))
    assert kind(tmp_path / name) == "SklearnLoader"
    with pytest.raises(ArtifactError, match="is packed with LZ4: run  pip install lz4"):
        load_artifact(tmp_path / name, ServeOptions())


@pytest.mark.parametrize("name", ["model.lz4", "model.pkl.lz4", "model.joblib"])
def test_what_joblib_packs_with_lz4_answers_as_before(name: str, tmp_path: Path) -> None:
    pytest.importorskip("lz4.frame")
    joblib.dump(MODEL, tmp_path / name, ("lz4", 3))
    model, _ = load_artifact(tmp_path / name, ServeOptions())
    wanted = MODEL.predict(ROWS[:4]).tolist()
    assert [answer["prediction"] for answer in model.predict(list(map(tuple, ROWS[:4].to_numpy().tolist())))] == wanted


def test_a_file_of_joblib_called_pkl_is_the_model_and_not_its_columns(tmp_path: Path) -> None:
    joblib.dump(MODEL, tmp_path / "model.pkl")
    model, _ = load_artifact(tmp_path / "model.pkl", ServeOptions())
    assert model.signature.names == ("width", "height")
    wanted = MODEL.predict(ROWS[:4]).tolist()
    assert [answer["prediction"] for answer in model.predict(list(map(tuple, ROWS[:4].to_numpy().tolist())))] == wanted


def test_bst_is_what_it_holds(tmp_path: Path) -> None:
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    rows, target = np.random.default_rng(0).normal(size=(80, 3)), np.arange(80) % 2
    lightgbm.train({"verbose": -1}, lightgbm.Dataset(rows, target), 3).save_model(tmp_path / "light.bst")
    xgboost.train({}, xgboost.DMatrix(rows, target), 3).save_model(tmp_path / "extreme.json")
    (tmp_path / "extreme.json").rename(tmp_path / "extreme.bst")
    assert kind(tmp_path / "light.bst") == "LightgbmLoader"
    assert kind(tmp_path / "extreme.bst") == "XgboostLoader"


@pytest.mark.parametrize(
    "data", [b"\x80", b"", b"{}", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"x\x9cno zlib", b"BZh9"]
)
def test_what_is_no_pickle_is_not_taken_for_one(data: bytes) -> None:
    assert not is_pickle(data)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("thing", [MODEL, {"model": MODEL}, [MODEL]], ids=["model", "dict", "list"])
def test_pickles_of_every_protocol_are_told(protocol: int, thing: Any) -> None:
    assert is_pickle(pickle.dumps(thing, protocol)[:4096])


# -- folders -----------------------------------------------------------------------------------------------------------


def test_of_a_folder_of_pieces_the_command_that_serves_them_is_told(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(ROWS.to_numpy())
    forest = RandomForestClassifier(3, random_state=0).fit(scaler.transform(ROWS.to_numpy()), LARGE)
    for name, thing in {"model": forest, "scaler": scaler, "columns": list(ROWS.columns)}.items():
        joblib.dump(thing, tmp_path / f"{name}.pkl")
    (tmp_path / "requirements.txt").write_text("scikit-learn\n", encoding="utf-16")
    with pytest.raises(ArtifactError) as refused:
        find_loader(tmp_path)
    said = str(refused.value)
    assert "model.pkl (RandomForestClassifier)" in said
    assert (
        f"modelport serve {tmp_path / 'model.pkl'} --with {tmp_path / 'columns.pkl'} --with {tmp_path / 'scaler.pkl'}"
        in said
    )
    model, _ = load_artifact(
        tmp_path / "model.pkl", ServeOptions(with_=(tmp_path / "columns.pkl", tmp_path / "scaler.pkl"))
    )
    assert model.signature.names == ("width", "height")


def test_of_a_folder_with_two_models_both_are_named(tmp_path: Path) -> None:
    for name in ("old", "new"):
        joblib.dump(MODEL, tmp_path / f"{name}.pkl")
    with pytest.raises(ArtifactError, match=r"new\.pkl \(LogisticRegression\), old\.pkl .*name the one to serve"):
        find_loader(tmp_path)


def test_of_a_folder_of_old_pieces_the_version_that_saved_them_is_told(tmp_path: Path) -> None:
    doctored(MODEL, tmp_path / "model.pkl")
    joblib.dump(list(ROWS.columns), tmp_path / "columns.pkl")
    with pytest.raises(ArtifactError, match=rf"saved by scikit-learn {OTHER}, here is .*; run  modelport serve "):
        find_loader(tmp_path)


def test_of_a_folder_a_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    joblib.dump(MODEL, tmp_path / "model.pkl")
    (tmp_path / "scaler.pkl").write_bytes(frame_of_lz4(pickle.dumps(MODEL), False, False))
    with pytest.raises(ArtifactError, match=r"scaler\.pkl \(cannot be read: .* packed with LZ4: run  pip install lz4"):
        find_loader(tmp_path)


def test_a_folder_without_models_is_of_no_kind_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ArtifactError, match="of no kind that is read here"):
        find_loader(tmp_path)


# -- formats that are known and not read -------------------------------------------------------------------------------


def test_of_keras_the_way_to_onnx_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelport.assembly.keras.CONVERTERS", ("a_library_that_is_nowhere",))
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    ways = {
        "model.h5": r'Keras before 3.*load_model\("model\.h5", compile=False\)\.export\("saved"\).*--saved-model saved',
        "model.keras": r'Keras 3.*load_model\("model\.keras", compile=False\)\.export\("saved"\).*--saved-model saved',
        "saved": "SavedModel.*tf2onnx.convert --saved-model saved",
    }
    for name, way in ways.items():
        with pytest.raises(ArtifactError, match=way) as refused:
            find_loader(tmp_path / name)
        assert "pip install 'modelport[keras]'" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(32), "TensorFlow Lite"),
        ("model.pmml", b'<?xml version="1.0"?><PMML version="4.4"/>', "PMML"),
        ("model.rds", b"\x1f\x8b\x08" + bytes(32), "an R object"),
    ],
)
def test_other_formats_are_called_by_their_names(name: str, data: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=what):
        find_loader(tmp_path / name)

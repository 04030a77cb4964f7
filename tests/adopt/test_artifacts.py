"""Model files: what they say of themselves without being run, and what of it is a finding."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from modelport.adopt.facts import Finding
from modelport.assembly.stored import describe_stored
from tests.adopt.reading import FASTAPI, FLASK, found, read

DATA = pd.DataFrame({"area": [50.0, 80, 120, 60], "rooms": [1.0, 2, 4, 2], "age": [3.0, 30, 10, 5]})
PRICES = [100.0, 150, 300, 130]
POST = "@app.post('/p')\ndef p():\n    d = request.json\n    return jsonify(y="


def save(folder: Path, version: str = "", model: Any = None) -> Path:
    """A pickled model, which says that it was saved by this version."""
    path = folder / "model.pkl"
    data = pickle.dumps(model if model is not None else LinearRegression().fit(DATA, PRICES))
    if version:
        assert len(version) == len(sklearn.__version__)
        data = data.replace(sklearn.__version__.encode(), version.encode())
    path.write_bytes(data)
    return path


# -- what is stored ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_each_protocol_tells_class_version_features_and_classes(protocol: int, tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(2)).fit(DATA, ["no", "no", "yes", "yes"])
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    told = describe_stored(path)
    assert told["cls"] == "sklearn.pipeline.Pipeline"
    assert (told["version"], told["features"]) == (sklearn.__version__, ["area", "rooms", "age"])
    assert (told["classes"], told["count"], told["joblib"]) == (["no", "yes"], 3, False)
    assert "sklearn.ensemble._forest.RandomForestClassifier" in told["parts"]


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("lzma", 3)])
def test_a_file_of_joblib_tells_the_same(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit(DATA, PRICES), path, compress=compress)
    told = describe_stored(path)
    assert (told["version"], told["features"], told["joblib"]) == (sklearn.__version__, ["area", "rooms", "age"], True)


@pytest.mark.parametrize(
    ("thing", "cls", "names"),
    [
        (["a", "b"], "list", ["a", "b"]),
        (np.array(["a", "b"], dtype=object), "numpy._core.multiarray._reconstruct", ["a", "b"]),
        (LabelEncoder().fit(["a", "b"]), "sklearn.preprocessing._label.LabelEncoder", []),
        ({"a": 1}, "dict", []),
        (3, "int", []),
    ],
    ids=["list", "array", "encoder", "dict", "number"],
)
def test_helper_files_tell_what_they_are(thing: Any, cls: str, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "helper.pkl").write_bytes(pickle.dumps(thing))
    told = describe_stored(tmp_path / "helper.pkl")
    assert (told["cls"], told["features"]) == (cls, names)


def test_reading_a_pickle_runs_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR.".encode())
    assert describe_stored(path)["cls"] == "os.system"
    report = read(tmp_path, FLASK + "model = joblib.load('evil.pkl')")
    assert report.models[0].path is not None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x80\x04\x95", b"\x80\x04}", b"PK\x03\x04", b"\x80\x04" + b"(" * 5000 + b"t" * 5000 + b"."],
)
def test_a_damaged_file_is_a_finding(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(data)
    report = read(tmp_path, FLASK + "model = pickle.load(open('model.pkl', 'rb'))")
    assert found(report, "unreadable-file") or report.models[0].stored is not None


# -- findings ----------------------------------------------------------------------------------------------------------


def test_a_model_of_another_version_is_named_with_both(tmp_path: Path) -> None:
    save(tmp_path, "1.2.2")
    finding = only(tmp_path, "old-artifact")
    assert finding.level == "risk"
    assert f"was saved by scikit-learn 1.2.2; installed is {sklearn.__version__}" in finding.what


def test_a_model_of_the_installed_version_is_no_finding(tmp_path: Path) -> None:
    save(tmp_path)
    assert found(read(tmp_path, FLASK + "model = pickle.load(open('model.pkl', 'rb'))"), "old-artifact") == []


def test_a_model_that_would_answer_wrongly_without_an_error_is_told_apart(tmp_path: Path) -> None:
    save(tmp_path, "1.3.2", RandomForestClassifier(2).fit(DATA, [0, 0, 1, 1]))
    finding = only(tmp_path, "old-artifact")
    assert finding.level == "wrong"
    assert "predict_proba counts samples" in finding.what


def test_a_model_that_does_not_load_breaks(tmp_path: Path) -> None:
    path = save(tmp_path, "0.2.2")
    path.write_bytes(path.read_bytes().replace(b"sklearn.linear_model._base", b"sklearn.linear_model.base0"))
    finding = only(tmp_path, "old-artifact")
    assert finding.level == "breaks"
    assert "does not load it" in finding.what


def only(folder: Path, rule: str) -> Finding:
    """The one finding of a rule, for an application that loads the model."""
    (finding,) = found(read(folder, FLASK + "model = pickle.load(open('model.pkl', 'rb'))"), rule)
    return finding


def test_a_file_of_joblib_read_by_pickle_is_a_finding(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(DATA, PRICES), tmp_path / "model.pkl")
    assert only(tmp_path, "pickle-of-joblib").remedy == "write  joblib.load('model.pkl')"
    assert found(read(tmp_path, FLASK + "model = joblib.load('model.pkl')"), "pickle-of-joblib") == []


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ("[[d['area'], d['rooms'], d['age']]]", None),
        ("[[d['rooms'], d['area'], d['age']]]", "wrong"),
        ("[[d['Rooms'], d['Area (m2)'], d['AGE']]]", "wrong"),
        ("pd.DataFrame([[d['area'], d['rooms'], d['age']]], columns=['area', 'rooms', 'age'])", None),
        ("pd.DataFrame([[d['rooms'], d['area'], d['age']]], columns=['rooms', 'area', 'age'])", "breaks"),
        ("pd.DataFrame([[d['rooms'], d['area'], d['age']]], columns=['area', 'rooms', 'age'])", "wrong"),
        ("pd.DataFrame({'rooms': [d['rooms']], 'area': [d['area']], 'age': [d['age']]})", "breaks"),
        ("pd.DataFrame([d], columns=['area', 'rooms', 'age'])", None),
        ("pd.DataFrame([d])[['area', 'rooms', 'age']]", None),
        ("pd.DataFrame([d])[['age', 'rooms', 'area']]", "breaks"),
    ],
)
def test_features_in_another_order_than_the_models_are_found(values: str, level: str | None, tmp_path: Path) -> None:
    save(tmp_path)
    report = read(
        tmp_path, FLASK + "model = pickle.load(open('model.pkl', 'rb'))\n" + POST + f"model.predict({values})[0])"
    )
    assert [f.level for f in found(report, "feature-order")] == ([level] if level else [])


def test_too_few_features_are_found(tmp_path: Path) -> None:
    save(tmp_path)
    report = read(
        tmp_path,
        FLASK + "model = pickle.load(open('model.pkl', 'rb'))\n" + POST + "model.predict([[d['area'], d['age']]])[0])",
    )
    assert "takes 3 features, and gets 2" in found(report, "feature-count")[0].what


def test_fields_of_a_class_in_another_order_than_the_models_are_found(tmp_path: Path) -> None:
    save(tmp_path)
    text = (
        FASTAPI
        + "model = pickle.load(open('model.pkl', 'rb'))\nclass H(BaseModel):\n    age: float\n    rooms: float\n    area: float\n"
    )
    report = read(
        tmp_path,
        text + "@app.post('/p')\ndef p(h: H):\n    return float(model.predict([list(h.model_dump().values())])[0])",
    )
    assert "age stands where area belongs" in found(report, "feature-order")[0].what


def test_whether_a_number_is_json_is_told_by_the_models_classes(tmp_path: Path) -> None:
    text = FLASK + "model = pickle.load(open('model.pkl', 'rb'))\n" + POST + "model.predict([[1, 2, 3]])[0])"
    levels = []
    for classes in ([0, 0, 1, 1], ["a", "a", "b", "b"]):
        save(tmp_path, model=RandomForestClassifier(2).fit(DATA, classes))
        levels.append([f.level for f in found(read(tmp_path, text), "numpy-in-json")])
    save(tmp_path)
    levels.append([f.level for f in found(read(tmp_path, text), "numpy-in-json")])
    assert levels == [["breaks"], [], []]


def test_a_whole_number_where_the_answer_is_declared_text_is_found(tmp_path: Path) -> None:
    save(tmp_path, model=RandomForestClassifier(2).fit(DATA, [0, 0, 1, 1]))
    text = FASTAPI + "model = pickle.load(open('model.pkl', 'rb'))\nclass A(BaseModel):\n    y: str\n"
    text += "@app.post('/p', response_model=A)\ndef p():\n    return {'y': model.predict([[1, 2, 3]])[0]}"
    assert found(read(tmp_path, text), "number-in-response-model")

"""What cannot be served: one line each, that says why and what to do."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import find_loader, load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, MissingExtra, SetupError, SignatureError, UnprovenVersion
from tests.artifacts.zoo import numbers, save

pytest.importorskip("sklearn")

from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TABLE = numbers()
FITTED = LogisticRegression().fit(TABLE, TABLE["a"] > 0)


def refusal(path: Path, kind: type[SetupError] = ArtifactError, **options: Any) -> str:
    """The message that ends the start."""
    with pytest.raises(kind) as refused:
        load_artifact(path, resolve(options))
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (
            DBSCAN().fit(TABLE),
            "{path} holds a DBSCAN, which can only label the data it was fitted on (it has no predict); "
            "train a classifier on its labels and serve that",
        ),
        (
            LocalOutlierFactor().fit(TABLE),
            "{path} holds a LocalOutlierFactor, which can only label the data it was fitted on (it has no predict); "
            "fit it with novelty=True",
        ),
        (
            StandardScaler().fit(TABLE),
            "{path} holds a StandardScaler, a transformer without predict; serve the model, with this file beside it:  "
            "modelport serve MODEL --with model.joblib",
        ),
        (
            make_pipeline(StandardScaler()).fit(TABLE),
            "{path} holds a Pipeline, a transformer without predict; serve the model, with this file beside it:  "
            "modelport serve MODEL --with model.joblib",
        ),
        (
            {"version": 3},
            "{path} holds no model, which is something with a predict method. It holds a dict of 1: version",
        ),
        ([], "{path} holds a list, not a model: it has no predict method"),
        (TABLE, "{path} holds a DataFrame, not a model: it has no predict method"),
        (LogisticRegression, "{path} holds the class LogisticRegression, not a fitted model; save what fit returned"),
        (LogisticRegression(), "{path} holds a LogisticRegression that is not fitted; save it after fit"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            "{path} holds a Pipeline that is not fitted; save it after fit",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_is_no_model_is_named_with_what_to_do(thing: Any, message: str, tmp_path: Path) -> None:
    path = save(thing, tmp_path)
    assert refusal(path) == message.format(path=path)


@pytest.mark.parametrize(
    "content",
    [
        b"just some text\n",
        b"\x80\x05",
        b"\x80\x05garbage",
        b"\x00" * 100,
        b"(lp0\n.",
        b"x\x9c" + b"\0" * 20,
        b"\x1f\x8b",
    ],
    ids=["text", "pickle of nothing", "garbage", "zeros", "old pickle of a list", "broken zlib", "broken gzip"],
)
@pytest.mark.parametrize("name", ["model.pkl", "model.joblib"])
def test_a_file_that_is_no_pickle_of_a_model_is_one_clear_line(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert "cannot be unpickled" in message or "holds a list" in message


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("lzma", 3)], ids=str)
def test_a_truncated_pickle_is_one_clear_line(compress: Any, tmp_path: Path) -> None:
    import joblib

    path = tmp_path / "model.joblib"
    joblib.dump(make_pipeline(StandardScaler(), FITTED).fit(TABLE, TABLE["a"] > 0), path, compress=compress)
    path.write_bytes(path.read_bytes()[:-200])
    assert "cannot be unpickled" in refusal(path)


def test_an_empty_or_missing_file_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    assert refusal(path) == f"the model file {path} does not exist"
    path.touch()
    assert refusal(path) == f"the model file {path} is empty"


def test_a_file_of_no_known_kind_names_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "model.docx"
    path.write_bytes(b"PK")
    with pytest.raises(
        ArtifactError, match=r"onnx, sklearn, skops, xgboost, lightgbm, catboost, torch.*: save it in one"
    ):
        find_loader(path)


def test_a_class_of_the_training_script_is_named_with_the_line_that_saves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(self: Any, table: Any) -> Any:
        return np.zeros(len(table))

    mine = type("MyModel", (), {"predict": predict, "__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "MyModel", mine, raising=False)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(mine()))
    monkeypatch.delattr(sys.modules["__main__"], "MyModel")
    message = refusal(path)
    assert "'MyModel', which was defined in the script or notebook that saved it" in message
    assert 'modelport.save(model, "model.bundle")' in message
    assert refusal(path, allow_pickle=True) == message


def test_a_module_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("train_utils")
    module.Model = type("Model", (), {"__module__": "train_utils"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "train_utils", module)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(module.Model()))
    monkeypatch.delitem(sys.modules, "train_utils")
    assert "train_utils.Model is not on the list" in refusal(path)
    wanted = f"{path} needs the module 'train_utils': install the package it was trained with"
    assert refusal(path, allow_pickle=True) == wanted


FILES: dict[str, tuple[str, bytes, str]] = {
    "sklearn": ("model.joblib", b"\x80\x05N.", "sklearn"),
    "onnx": ("model.onnx", b"\x08\x08", "onnxruntime"),
    "xgboost": ("model.json", b'{"learner":{"attributes":{}}}', "xgboost"),
    "lightgbm": ("model.txt", b"tree\nversion=v4\nend of trees\n", "lightgbm"),
    "catboost": ("model.cbm", b"CBM1", "catboost"),
}


@pytest.mark.parametrize("extra", FILES)
def test_a_missing_library_is_answered_with_the_command(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, library = FILES[extra]
    path = tmp_path / name
    path.write_bytes(content)
    _hide(monkeypatch, library)
    message = refusal(path, MissingExtra)
    assert message.endswith(f"needs an optional extra: run  pip install 'modelport[{extra}]'")


def test_a_missing_pytorch_is_answered_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/code/__torch__.py", "")
    _hide(monkeypatch, "torch")
    assert "pip install 'modelport[torch]'" in refusal(path, MissingExtra)


def test_a_pickled_booster_without_its_library_is_answered_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = types.ModuleType("lightgbm")
    package.Booster = type("Booster", (), {"__module__": "lightgbm"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightgbm", package)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(package.Booster()))
    _hide(monkeypatch, "lightgbm")
    assert "pip install 'modelport[lightgbm]'" in refusal(path, MissingExtra)


def _hide(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """As if a library were not installed."""
    monkeypatch.setitem(sys.modules, library, None)


def test_an_estimator_that_fails_on_its_own_example_is_refused(tmp_path: Path) -> None:
    broken = LogisticRegression().fit(TABLE, TABLE["a"] > 0)
    broken.coef_ = np.zeros((1, 9))
    message = refusal(save(broken, tmp_path))
    assert message.startswith("the model loads but cannot predict its own example: ValueError")


def test_a_model_of_which_nothing_is_known_asks_for_its_inputs(tmp_path: Path) -> None:
    from tests.artifacts.foreign import Mean

    assert refusal(save(Mean(), tmp_path), SignatureError, allow_pickle=True) == (
        "the model stores neither names nor number of its inputs; give --data or --features a,b,…"
    )
    model, _ = load_artifact(save(Mean(), tmp_path), resolve({"features": "a,b", "allow_pickle": True}))
    assert model.predict([(1.0, 3.0)]) == [{"prediction": 2.0}]


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    from tests.artifacts.foreign import Mean

    model = Mean()
    model.feature_names_in_ = np.array(["a", "b", "a"], dtype=object)  # type: ignore[attr-defined]
    assert refusal(save(model, tmp_path), SignatureError, allow_pickle=True) == (
        "the model has two inputs called 'a': rename one and train again"
    )


def test_another_version_of_scikit_learn_is_refused(tmp_path: Path) -> None:
    path = save(FITTED, tmp_path)
    current = FITTED.__getstate__()["_sklearn_version"].encode()
    other = b"0" + current[1:]
    path.write_bytes(
        path.read_bytes().replace(b"\x8c" + bytes([len(current)]) + current, b"\x8c" + bytes([len(other)]) + other)
    )
    assert f"was saved by scikit-learn {other.decode()}, here is " in refusal(path, UnprovenVersion)

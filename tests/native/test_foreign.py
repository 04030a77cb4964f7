"""The process in a native environment: what crosses to it, what it refuses to read, and that it is as good as the model itself."""

from __future__ import annotations

import collections
import io
import pickle
import subprocess
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelport.errors import ArtifactError
from modelport.native import foreign, foreign_imports, foreign_names, foreign_reader
from modelport.native.environments import Environment
from modelport.native.process import ForeignError, ForeignProcess
from tests.native.places import put_installed

INPUTS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no")
RECORD = [("a", "<f8"), ("b", "|u1")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return put_installed(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "text",
        b"\x00\xff",
        0.1 + 0.2,
        [1, (2.5, "x"), {"a": [None]}],
        {1: "a", (1, 2): "b"},
        slice(1, None, 2),
        np.float32(0.1),
        np.arange(6, dtype="<i4").reshape(2, 3),
        np.array(["a", "bc"]),
        np.array([1, "a", None, 2.5], dtype=object),
        np.array([(1.5, 2)], dtype=RECORD),
        np.zeros((0, 3)),
    ],
)
def test_a_value_that_crosses_comes_out_as_it_went_in(value: Any) -> None:
    packer = foreign.Packer()
    file = io.BytesIO()
    foreign.write_frame(file, {"value": packer.pack(value)}, packer.blobs)
    file.seek(0)
    head, blobs = foreign.read_frame(file)
    found = foreign.unpack(head["value"], blobs)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value)
    else:
        assert found == value
    assert getattr(found, "dtype", None) == getattr(value, "dtype", None)


def test_a_frame_crosses_with_its_names_and_gaps() -> None:
    frame = pandas.DataFrame({"x": [1.5, np.nan], "genre": ["rock", None]})
    packer = foreign.Packer()
    found = foreign.unpack(packer.pack(frame), packer.blobs)
    assert list(found.columns) == ["x", "genre"]
    assert found["genre"].isna().tolist() == [False, True]
    assert found["x"].dtype == np.float64


def test_a_cut_frame_is_the_end_and_no_message() -> None:
    file = io.BytesIO()
    foreign.write_frame(file, {"do": "load"}, [b"1234"])
    with pytest.raises(EOFError):
        foreign.read_frame(io.BytesIO(file.getvalue()[:-1]))


class _Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "thing",
    [
        _Call(eval, "1"),
        _Call(subprocess.call, "true"),
        _Call(getattr, "text", "upper"),
        _Call(np.load, "x.npy"),
        _Call(np.frombuffer, b"12345678"),
        {"stored": print},
    ],
)
def test_what_is_not_on_the_list_is_refused_before_it_is_called(thing: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"model": [thing]}, protocol))
    with pytest.raises(foreign_reader.Refused):
        foreign_reader.read_file(str(path))


def test_bytes_that_can_be_changed_are_read(tmp_path: Path) -> None:
    (tmp_path / "data.pkl").write_bytes(pickle.dumps({"handle": bytearray(b"12")}, 2))
    assert foreign_reader.read_file(str(tmp_path / "data.pkl")) == {"handle": b"12"}


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_it_reads_what_joblib_writes(compress: Any, tmp_path: Path) -> None:
    model = RandomForestClassifier(n_estimators=3, random_state=0).fit(INPUTS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib", compress=compress)
    found = foreign_reader.read_file(str(tmp_path / "model.joblib"))
    np.testing.assert_array_equal(found.predict_proba(INPUTS), model.predict_proba(INPUTS))


def test_the_model_inside_answers_bit_by_bit(environment: Environment, tmp_path: Path) -> None:
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(INPUTS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    process = ForeignProcess(environment)
    found = process.load(tmp_path / "model.joblib")
    assert type(found).__name__ == "RandomForestClassifier"
    np.testing.assert_array_equal(found.predict_proba(INPUTS), model.predict_proba(INPUTS))
    np.testing.assert_array_equal(found.predict(INPUTS), model.predict(INPUTS))
    tree, original = found.estimators_[2].tree_, model.estimators_[2].tree_
    np.testing.assert_array_equal(tree.threshold, original.threshold)
    np.testing.assert_array_equal(tree.value, original.value)
    assert not hasattr(found, "coef_")
    process.close()


def test_texts_and_properties_cross(environment: Environment, tmp_path: Path) -> None:
    texts, labels = ["good film", "bad film", "good", "bad"], [1, 0, 1, 0]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    joblib.dump(model, tmp_path / "model.joblib")
    process = ForeignProcess(environment)
    found = process.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(found.predict_proba(texts), model.predict_proba(texts))
    assert found.steps[0][1].vocabulary_ == model[0].vocabulary_
    assert found.classes_.tolist() == [0, 1]  # a property of pipelines
    process.close()


def test_what_the_model_raises_is_told_and_the_process_goes_on(environment: Environment, tmp_path: Path) -> None:
    model = LogisticRegression().fit(INPUTS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    process = ForeignProcess(environment)
    found = process.load(tmp_path / "model.joblib")
    with pytest.raises(ForeignError, match="ValueError: X has 1 features, but LogisticRegression is expecting 3"):
        found.predict(np.zeros((1, 1)))
    assert found.predict(INPUTS[:1]).tolist() == model.predict(INPUTS[:1]).tolist()
    process.close()


@pytest.mark.slow
def test_a_process_that_died_is_replaced_with_the_same_model(environment: Environment, tmp_path: Path) -> None:
    model = LogisticRegression().fit(INPUTS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    process = ForeignProcess(environment)
    found = process.load(tmp_path / "model.joblib")
    assert process._process is not None
    process._process.kill()
    process._process.wait()
    with pytest.raises(ForeignError, match="ended"):
        found.predict(INPUTS)
    np.testing.assert_array_equal(found.predict(INPUTS), model.predict(INPUTS))
    process.close()


def test_a_file_that_names_other_things_is_refused_inside_too(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "hostile.pkl").write_bytes(pickle.dumps(_Call(eval, "1")))
    process = ForeignProcess(environment)
    with pytest.raises(
        ArtifactError, match=r"does not load in scikit-learn 1.8.0 either: Refused: builtins.eval is not"
    ):
        process.load(tmp_path / "hostile.pkl")
    process.close()


def test_the_other_side_is_written_for_python_3_6() -> None:
    import ast

    for module in (foreign, foreign_imports, foreign_names, foreign_reader):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        ast.parse(text, feature_version=(3, 6))
        assert "import modelport" not in text
        assert "from modelport" not in text


def test_standard_input_at_its_end_ends_the_process(environment: Environment) -> None:
    command = environment.command(Path(str(foreign.__file__)))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_arrays_of_the_newest_protocol_can_be_written_to(tmp_path: Path) -> None:
    """Compiled code of old releases asks for that, even to read."""
    (tmp_path / "array.pkl").write_bytes(pickle.dumps(np.arange(6.0), 5))
    assert foreign_reader.read_file(str(tmp_path / "array.pkl")).flags.writeable


def test_a_list_of_a_class_of_its_own_is_told_as_a_list_without_being_read() -> None:
    class Columns(collections.UserList[int]):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("warns about its future type")

    assert foreign.Packer().pack(Columns([2, 3])) == [foreign.LIST, [2, 3]]
